"""Lines, replies and counts of bytes are read in bounded memory, whatever the peer sends."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.failures import ProbeFailure
from probes.wire.imap_dialogue import ImapDialogue
from probes.wire.lines import LineReader, shown
from probes.wire.smtp_dialogue import SmtpDialogue, capabilities
from tocsin.domain.observations import Reason


class Spoken:
    """A connection on which the peer says these parts, and then hangs up."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = [part for part in parts if part]
        self.sent = b""
        self.broken = False

    def send(self, data: bytes) -> None:
        self.sent += data

    async def receive(self) -> bytes:
        if self.broken:
            raise ConnectionResetError
        return self._parts.pop(0) if self._parts else b""

    def abort(self) -> None:
        self._parts.clear()


async def failure_of(reader: LineReader, method: str = "line") -> ProbeFailure:
    with pytest.raises(ProbeFailure) as caught:
        await getattr(reader, method)()
    assert caught.value.reason is Reason.PROTOCOL
    return caught.value


@pytest.mark.parametrize("parts", [(b"one\r\ntwo\n",), (b"on", b"e\r", b"\ntw", b"o\n"), (b"one\r\n", b"two\n")])
async def test_lines_are_read_however_they_arrive(parts: tuple[bytes, ...]) -> None:
    reader = LineReader(Spoken(*parts))
    assert [await reader.line(), await reader.line()] == [b"one", b"two"]


async def test_a_count_of_bytes_follows_a_line() -> None:
    reader = LineReader(Spoken(b"{4}\r\nab", b"cdef\r\n"))
    assert [await reader.line(), await reader.exactly(4), await reader.line()] == [b"{4}", b"abcd", b"ef"]


async def test_an_endless_line_is_refused() -> None:
    spoken = Spoken(*[b"x" * 1000] * 1000)
    assert "more than 8192 bytes" in (await failure_of(LineReader(spoken))).message
    assert len(spoken._parts) > 900


async def test_a_line_that_ends_too_late_is_refused() -> None:
    assert "more than 8192 bytes" in (await failure_of(LineReader(Spoken(b"x" * 8192 + b"\n")))).message


async def test_an_endless_reply_is_refused() -> None:
    spoken = Spoken(*[b"250-more\r\n" * 10] * 1000)
    assert "more than 100 lines" in (await failure_of(LineReader(spoken), "reply")).message


@pytest.mark.parametrize("line", [b"hello", b"", b"25", b"250_x", b"+OK", b"\0\0\0\0", b"\xff\xfe\xfd"])
async def test_what_is_no_reply_is_told(line: bytes) -> None:
    assert "no reply with a code" in (await failure_of(LineReader(Spoken(line + b"\r\n")), "reply")).message


async def test_a_connection_that_ends_or_breaks_is_told() -> None:
    assert (await failure_of(LineReader(Spoken()))).message == "the server closed the connection before it answered"
    assert "in the middle of a line" in (await failure_of(LineReader(Spoken(b"22")))).message
    broken = Spoken()
    broken.broken = True
    assert "broke" in (await failure_of(LineReader(broken))).message


def test_what_is_told_of_a_line_is_short_and_printable() -> None:
    assert shown(b"a\0b\x1b[31m\xff") == "a\ufffdb\ufffd[31m\ufffd"
    assert len(shown(b"x" * 100_000)) == 121


async def test_what_a_server_can_do_is_read_from_its_reply_to_ehlo() -> None:
    dialogue = SmtpDialogue(Spoken(b"250-mail.example\r\n250-AUTH=LOGIN plain\r\n250-\r\n250 SIZE 1000\r\n"))
    assert capabilities(await dialogue.hello()) == {"AUTH": {"LOGIN", "PLAIN"}, "SIZE": {"1000"}}


async def test_a_literal_of_imap_is_read_as_a_part_of_its_line() -> None:
    spoken = Spoken(b"* OK hi\r\n* NOTE {7}\r\nt1 NO\r\n tail\r\nt1 OK done\r\n")
    dialogue = ImapDialogue(spoken)
    await dialogue.greeting()
    completed = await dialogue.command(b"NOOP")
    assert (completed.status, completed.untagged) == ("OK", (b"* NOTE {7}t1 NO\r\n tail",))


@pytest.mark.parametrize("announced", [b"{1073741824}", b"{65537}", b"{99999999999999999999}"])
async def test_a_huge_literal_of_imap_is_refused_before_it_is_read(announced: bytes) -> None:
    dialogue = ImapDialogue(Spoken(b"* OK " + announced + b"\r\n" + b"x" * 1000))
    with pytest.raises(ProbeFailure, match="announced a literal") as caught:
        await dialogue.greeting()
    assert caught.value.reason is Reason.PROTOCOL


@given(st.lists(st.binary(max_size=200), max_size=20))
async def test_whatever_is_said_ends_in_an_answer_or_a_failure(parts: list[bytes]) -> None:
    for dialogue in (SmtpDialogue(Spoken(*parts)), ImapDialogue(Spoken(*parts))):
        with suppress(ProbeFailure):
            await dialogue.greeting()
            await (dialogue.hello() if isinstance(dialogue, SmtpDialogue) else dialogue.capabilities())
