"""Whether the API can listen is said before anything is started."""

import socket

import pytest

from tests.up.platform import free_port
from tocsin.settings import Api, SettingsError
from tocsin.up.address import require_free, url_of


def test_a_free_port_is_fine() -> None:
    require_free(Api("127.0.0.1", free_port()))


def test_a_taken_port_is_named_with_another_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"--port {port} on 127.0.0.1 is taken.*--port {port + 1}"):
            require_free(Api("127.0.0.1", port))


def test_a_port_that_a_connection_left_behind_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        with socket.create_connection(address), server.accept()[0]:
            pass
    require_free(Api(*address))


@pytest.mark.parametrize("host", ["203.0.113.9", "x" * 80])
def test_a_host_that_is_not_this_machine_is_named(host: str) -> None:
    with pytest.raises(SettingsError, match=f"--host {host} is no address of this machine"):
        require_free(Api(host, free_port()))


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("tocsin.example", "http://tocsin.example:8000"),
    ],
)
def test_the_url_is_one_that_a_browser_on_this_machine_can_open(host: str, url: str) -> None:
    assert url_of(Api(host, 8000)) == url
