"""Connections through the installation's proxy, for targets that the egress guard allows."""

from collections.abc import Sequence
from typing import Final

from probes.egress import is_ip_address
from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.proxy import Proxy
from probes.trace import Phase, Trace
from probes.wire.connection import Connection, open_connection
from probes.wire.dialing import find_addresses
from probes.wire.http_messages import ResponseParser
from tocsin.domain.observations import Outcome, Reason
from tocsin.domain.targets.addresses import IpFamily

# What a proxy answers when it did not reach the target (RFC 9110): all else says nothing about the target.
_NOT_REACHED: Final = frozenset({502, 503, 504})


async def dial_through_proxy(
    host: str, port: int, engine: Engine, trace: Trace, family: IpFamily, *, tunnel: bool
) -> Connection:
    """A connection to the proxy, or by a tunnel to the first of the host's addresses that is allowed and answers.

    The proxy itself is not judged: the installation has chosen it. Raises ProbeFailure.
    """
    if engine.proxy is None:
        raise ProbeFailure(
            Reason.NOT_PERMITTED,
            "this installation has no proxy; have its operator set TOCSIN_PROXY_URL, or set useProxy to false",
        )
    addresses = await find_addresses(host, port, engine, trace, family)
    trace.enter(Phase.CONNECT)
    trace.address = addresses[0]
    if not tunnel:
        return await _reach(engine.proxy, engine)
    return await _dig(addresses, port, engine.proxy, engine, trace)


async def _reach(proxy: Proxy, engine: Engine) -> Connection:
    try:
        addresses = (proxy.host,) if is_ip_address(proxy.host) else await engine.resolver.resolve(proxy.host)
        return await open_connection(addresses[0], proxy.port)
    except (OSError, ProbeFailure) as exc:
        raise ProbeFailure(
            Reason.INTERNAL_ERROR, "the proxy of this installation cannot be reached; see TOCSIN_PROXY_URL"
        ) from exc


async def _dig(addresses: Sequence[str], port: int, proxy: Proxy, engine: Engine, trace: Trace) -> Connection:
    """A tunnel to the first address that the proxy reaches."""
    status_code = 0
    for address in addresses:
        trace.address = address
        connection = await _reach(proxy, engine)
        try:
            status_code = await _ask(connection, address, port, proxy)
        except BaseException:
            connection.abort()
            raise
        if 200 <= status_code < 300:
            return connection
        connection.abort()
        if status_code not in _NOT_REACHED:
            break
    raise _refusal(status_code)


async def _ask(connection: Connection, address: str, port: int, proxy: Proxy) -> int:
    """Ask for a tunnel, and return the status of the answer."""
    place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    own = b"" if proxy.authorization is None else b"Proxy-Authorization: %b\r\n" % proxy.authorization
    connection.send(b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (place.encode(), place.encode(), own))
    parser = ResponseParser(has_body=False)
    while not parser.head_complete:
        try:
            data = await connection.receive()
        except OSError as exc:
            raise _nonsense() from exc
        if not data:
            raise _nonsense()
        parser.feed(data)
    return parser.status_code


def _refusal(status_code: int) -> ProbeFailure:
    if status_code in _NOT_REACHED:
        return ProbeFailure(Reason.CONNECT, f"the proxy did not reach the target: it answered {status_code}")
    return ProbeFailure(
        Reason.NOT_PERMITTED,
        f"the proxy of this installation refused a tunnel to the target: it answered {status_code}",
    )


def _nonsense() -> ProbeFailure:
    return ProbeFailure(
        Reason.PROTOCOL, "the proxy of this installation closed the connection without an answer", Outcome.UNKNOWN
    )
