"""Looking for a text in bounded memory."""

import gzip
import time

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.wire.http_content import TextSearch, charset_of, encode_text, make_decode


@given(st.lists(st.binary(max_size=6), max_size=8), st.binary(min_size=1, max_size=4))
def test_a_text_is_found_however_the_body_is_split(parts: list[bytes], text: bytes) -> None:
    search = TextSearch(text)
    for part in parts:
        search.feed(part)
    assert search.found is (text in b"".join(parts))


@given(st.binary(max_size=300), st.integers(1, 40))
def test_a_compressed_body_may_be_split_anywhere(body: bytes, size: int) -> None:
    wire = gzip.compress(body)
    decode = make_decode(httpx.Response(200, headers={"Content-Encoding": "GZIP"}))
    pieces = [wire[begin : begin + size] for begin in range(0, len(wire), size)]
    assert b"".join(part for piece in pieces for part in decode(piece)) == body


def test_a_compressed_body_is_decoded_in_small_parts() -> None:
    decode = make_decode(httpx.Response(200, headers={"Content-Encoding": "gzip"}))
    assert max(len(part) for part in decode(gzip.compress(bytes(10_000_000)))) <= 64 * 1024


@pytest.mark.parametrize(
    ("content_type", "encoded"),
    [("text/html; charset=iso-8859-1", b"\xfc"), ("text/html", b"\xc3\xbc"), ("text/html; charset=bogus", b"\xc3\xbc")],
)
def test_a_text_is_encoded_as_the_response_says(content_type: str, encoded: bytes) -> None:
    assert encode_text("ü", httpx.Response(200, headers={"Content-Type": content_type})) == encoded


def test_a_text_that_its_character_set_lacks_is_looked_for_in_utf_8() -> None:
    response = httpx.Response(200, headers={"Content-Type": "text/html; charset=ascii"})
    assert encode_text("ü", response) == b"\xc3\xbc"


@pytest.mark.parametrize(
    "charset", ["punycode", "idna", "undefined", "unicode_escape", "hex", "a\0b", "utf-7", "", "x" * 300]
)
def test_what_is_no_character_set_is_taken_for_utf_8(charset: str) -> None:
    response = httpx.Response(200, headers={"Content-Type": f"text/html; charset={charset}"})
    assert charset_of(response) == "utf-8"


@pytest.mark.parametrize("charset", ["latin-1", "UTF-16", "windows-1252", "Shift_JIS", "gb2312", "euc-kr", "koi8-r"])
def test_a_megabyte_in_a_character_set_is_read_soon(charset: str) -> None:
    response = httpx.Response(200, headers={"Content-Type": f"text/html; charset={charset}"})
    began_at = time.process_time()
    for byte in (b"-", b"\x1b", b"\xff", b"\x81"):
        (byte * 1024 * 1024).decode(charset_of(response), "replace")
    assert time.process_time() - began_at < 2


@pytest.mark.parametrize("parameters", [';"' + ";" * 60_000, ';x="' + '\\";' * 20_000, ";b=c" * 15_000])
def test_a_content_type_without_end_is_read_at_once(parameters: str) -> None:
    began_at = time.process_time()
    assert charset_of(httpx.Response(200, headers={"Content-Type": f"text/html{parameters}"})) == "utf-8"
    assert time.process_time() - began_at < 0.1
