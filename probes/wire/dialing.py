"""From a host name to a connection: resolved, judged by the egress guard, and dialed at the very address judged."""

import errno
import os
from collections.abc import Sequence

from probes.deadline import Deadline
from probes.egress import is_ip_address, require_allowed, require_plain_host
from probes.engine import Engine
from probes.failures import ProbeFailure, TargetBlockedError
from probes.trace import Phase, Trace
from probes.wire.connection import Connection, open_connection
from tocsin.domain.observations import Reason
from tocsin.domain.targets.addresses import IpFamily


async def dial(host: str, port: int, engine: Engine, trace: Trace, family: IpFamily = IpFamily.ANY) -> Connection:
    """Resolve the host, and connect to the first of its addresses of the family that is allowed and answers.

    Raises ProbeFailure with reason DNS, CONNECT or TARGET_BLOCKED.
    """
    addresses = await find_addresses(host, port, engine, trace, family)
    trace.enter(Phase.CONNECT)
    failures: list[OSError] = []
    for address in addresses:
        trace.address = address
        try:
            return await _connect_to(address, port, trace, attempts_left=len(addresses) - len(failures))
        except OSError as exc:
            failures.append(exc)
    trace.address = addresses[0]
    raise ProbeFailure(Reason.CONNECT, _connect_message(failures[0], addresses[0], port, others=len(failures) > 1))


async def find_addresses(
    host: str, port: int | None, engine: Engine, trace: Trace, family: IpFamily = IpFamily.ANY
) -> Sequence[str]:
    """The addresses of the host that may be reached at this port, in the order to try them. Raises as `dial`.

    Without a port, those that may be reached at all.
    """
    addresses = (host,) if is_ip_address(host) else await _resolve(host, engine, trace)
    if family is not IpFamily.ANY:
        addresses = _of_family(addresses, family)
    return _allowed(addresses, port, engine)


def _of_family(addresses: Sequence[str], family: IpFamily) -> Sequence[str]:
    chosen = [address for address in addresses if (":" in address) is (family is IpFamily.IPV6)]
    if not chosen:
        name = "IPv6" if family is IpFamily.IPV6 else "IPv4"
        raise ProbeFailure(Reason.DNS, f"the target has no {name} address, which this check asks for")
    return chosen


async def _resolve(host: str, engine: Engine, trace: Trace) -> Sequence[str]:
    require_plain_host(host)
    trace.enter(Phase.RESOLVE)
    return await engine.resolver.resolve(host)


def _allowed(addresses: Sequence[str], port: int | None, engine: Engine) -> Sequence[str]:
    """Those of the addresses that may be dialed. Raises TargetBlockedError if all are refused."""
    if len(addresses) == 1:
        require_allowed(addresses[0], port, engine.policy)
        return addresses
    allowed = []
    refusal: TargetBlockedError | None = None
    for address in addresses:
        try:
            require_allowed(address, port, engine.policy)
        except TargetBlockedError as exc:
            refusal = refusal or exc
        else:
            allowed.append(address)
    if refusal is not None and not allowed:
        raise refusal
    return allowed


async def _connect_to(address: str, port: int, trace: Trace, attempts_left: int) -> Connection:
    """Connect within a share of the time that remains; the last address may use all of it."""
    if attempts_left == 1:
        return await open_connection(address, port)
    with Deadline(trace.remaining_seconds / (attempts_left + 1)):
        return await open_connection(address, port)


def _connect_message(exc: OSError, address: str, port: int, others: bool) -> str:
    place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    also = "; no other address of the name accepted one either" if others else ""
    if exc.errno == errno.ECONNREFUSED:
        return f"{place} refused the connection{also}"
    if isinstance(exc, TimeoutError) or exc.errno is None:
        return f"{place} did not accept the connection in time{also}"
    return f"could not connect to {place}: {os.strerror(exc.errno).lower()}{also}"
