"""Runs the hostile servers in a process of their own: the memory of the prober is measured without theirs."""

import asyncio
import json
import os
import socket
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import uvloop

from tests.hostile.corpus import TRICKS
from tests.hostile.tricks import ADDRESS, Datagrams, Talk, Trick


class Answering(asyncio.DatagramProtocol):
    def __init__(self, answers: Datagrams) -> None:
        self._answers = answers

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # it is UDP
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for datagram in self._answers(data):
            self._transport.sendto(datagram, addr)


def suppressing(talk: Talk) -> Talk:
    """The conversation, whose breaking is what is wanted."""

    async def converse(reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        with suppress(OSError):
            writer.close()

    return converse


def free_port() -> int:
    """One that is free for TCP and for UDP alike."""
    while True:
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            stream.bind((ADDRESS, 0))
            port: int = stream.getsockname()[1]
            with suppress(OSError):
                datagrams.bind((ADDRESS, port))
                return port


async def serve(trick: Trick, contexts: Mapping[str, ssl.SSLContext]) -> int:
    """Start the servers of a trick, on one port for TCP and UDP."""
    port = free_port()
    if trick.talk is not None:
        tls = contexts[trick.certificate] if trick.certificate else None
        await asyncio.start_server(suppressing(trick.talk), ADDRESS, port, ssl=tls)
    if trick.datagrams is not None:
        datagrams = trick.datagrams
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: Answering(datagrams), (ADDRESS, port))
    return port


def make_context(file: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.set_alpn_protocols(["h2", "http/1.1"])
    if file.stem == "tickets":
        context.num_tickets = 10_000
    return context


async def run(folder: Path) -> None:
    contexts = {file.stem: make_context(file) for file in (folder / "certificates").glob("*.pem")}
    loop = asyncio.get_running_loop()
    # Clients that leave in the middle are what is wanted.
    loop.set_exception_handler(lambda *_: None)
    ports = {trick.name: await serve(trick, contexts) for trick in TRICKS}
    fresh = folder / "ports.new"
    fresh.write_text(json.dumps(ports))
    fresh.rename(folder / "ports.json")
    await asyncio.Event().wait()


def main(folder: str) -> None:
    # What they cost is theirs: elsewhere they run on machines of their own.
    os.nice(19)
    uvloop.run(run(Path(folder)))
