"""Which addresses of an API are understood."""

import pytest

from tocsin.watch.address import read_address
from tocsin.watch.errors import WatchError


@pytest.mark.parametrize(
    ("url", "websocket_url"),
    [
        ("http://127.0.0.1:8000/graphql", "ws://127.0.0.1:8000/graphql"),
        ("http://127.0.0.1:8000", "ws://127.0.0.1:8000/graphql"),
        ("http://127.0.0.1:8000/", "ws://127.0.0.1:8000/graphql"),
        ("https://tocsin.example.com/team/graphql", "wss://tocsin.example.com/team/graphql"),
        ("wss://tocsin.example.com", "wss://tocsin.example.com/graphql"),
        ("http://[::1]:8000", "ws://[::1]:8000/graphql"),
    ],
)
def test_a_url_leads_to_a_websocket(url: str, websocket_url: str) -> None:
    assert read_address(url).websocket_url == websocket_url


@pytest.mark.parametrize("url", ["http://127.0.0.1", "http://127.1.2.3:8000", "http://localhost", "https://[::1]"])
def test_this_machine_is_recognized(url: str) -> None:
    assert read_address(url).is_local


@pytest.mark.parametrize("url", ["http://10.0.0.1", "http://localhost.example.com", "http://127.0.0.1.example.com"])
def test_another_machine_is_not_taken_for_this_one(url: str) -> None:
    assert not read_address(url).is_local


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8000", "ftp://example.com", "http://", "http://[", "http://a:99999", "http://me:secret@a"]
)
def test_what_is_no_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(WatchError, match="--url is no address of an API") as refusal:
        read_address(url)
    assert "secret" not in str(refusal.value)
