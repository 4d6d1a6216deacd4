"""Whether the API can listen is said before anything is started."""

import errno
import socket
from unittest.mock import Mock

import pytest

from tests.up.platform import free_port
from tocsin.listening import OPTIONS, VARIABLES, require_free, url_of
from tocsin.settings import Api, SettingsError


def test_a_free_port_is_fine() -> None:
    require_free(Api("127.0.0.1", free_port()), OPTIONS)


def test_a_taken_port_is_named_with_another_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"--port {port} on 127.0.0.1 is taken.*--port {port + 1}"):
            require_free(Api("127.0.0.1", port), OPTIONS)


def test_after_the_last_port_the_one_before_it_is_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = OSError(errno.EADDRINUSE, "taken")
    monkeypatch.setattr(socket.socket, "bind", Mock(side_effect=taken))
    with pytest.raises(SettingsError, match=r"such as TOCSIN_PORT=65534$"):
        require_free(Api("127.0.0.1", 65_535), VARIABLES)


def test_a_port_that_a_connection_left_behind_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        with socket.create_connection(address), server.accept()[0]:
            pass
    require_free(Api(*address), OPTIONS)


@pytest.mark.parametrize("host", ["203.0.113.9", "x" * 80])
def test_a_host_that_is_not_this_machine_is_named(host: str) -> None:
    with pytest.raises(SettingsError, match=f"--host {host} is no address of this machine"):
        require_free(Api(host, free_port()), OPTIONS)


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
