"""Host names to addresses, without ever blocking the event loop, or one name on another.

asyncio's own resolver is a pool of a few threads: as many names whose servers are silent stop all others.
Here each query has a socket of its own; lookups of the same name at the same time share one.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from probes.failures import ProbeFailure
from probes.wire.dns_client import ask
from probes.wire.dns_messages import Answer, RecordType, ResponseCode
from probes.wire.name_service import NameService, WatchedFile, parse_hosts, parse_resolv_conf
from tocsin.domain.observations import Reason

_LOOKUP_SECONDS: Final = 5
# RFC 8305, section 3, calls this the resolution delay: how long the second family may keep the first waiting.
_OTHER_FAMILY_SECONDS: Final = 0.05
_MAX_KEPT: Final = 10_000
_MAX_TTL_SECONDS: Final = 300
_ADDRESSES_PER_FAMILY: Final = 2
_LABEL: Final = re.compile(r"[a-z0-9_-]{1,63}")


@dataclass(frozen=True, slots=True)
class _Kept:
    addresses: tuple[str, ...]
    expires_at: float


class Resolver:
    """Finds addresses in /etc/hosts, then asks the name servers of /etc/resolv.conf, or those that are given.

    Answers are kept for their TTL, at most 5 minutes; failures are not kept, so that a name that comes back is seen.
    """

    def __init__(self, name_service: NameService | None = None, hosts: Path = Path("/etc/hosts")) -> None:
        self._given = name_service
        self._resolv_conf = WatchedFile(Path("/etc/resolv.conf"), parse_resolv_conf)
        self._hosts = WatchedFile(hosts, parse_hosts)
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lookups: dict[str, asyncio.Task[tuple[str, ...]]] = {}

    async def resolve(self, host: str) -> Sequence[str]:
        """The addresses to try, in order: two of IPv4, then two of IPv6. Raises ProbeFailure with reason DNS."""
        name = _ascii_name(host)
        if local := self._local(name.removesuffix(".")):
            return local
        kept = self._kept.get(name)
        if kept is not None and kept.expires_at > asyncio.get_running_loop().time():
            return kept.addresses
        return await self._share_lookup(name)

    def nameservers(self) -> Sequence[tuple[str, int]]:
        """Whom it asks: IP addresses and ports."""
        return (self._given or self._resolv_conf.current()).nameservers

    def _local(self, name: str) -> tuple[str, ...]:
        # RFC 6761: these never leave the machine, whatever its files and name servers say.
        if name == "localhost" or name.endswith(".localhost"):
            return ("127.0.0.1", "::1")
        return self._hosts.current().get(name, ())

    async def _share_lookup(self, name: str) -> tuple[str, ...]:
        lookup = self._lookups.get(name)
        if lookup is None:
            lookup = self._lookups[name] = asyncio.create_task(self._look_up(name))
            lookup.add_done_callback(lambda _: self._forget(name))
        # A probe that runs out of time leaves the lookup going: others may wait for it, and its answer is kept.
        return await asyncio.shield(lookup)

    def _forget(self, name: str) -> None:
        lookup = self._lookups.pop(name)
        if not lookup.cancelled():
            # Whoever waited may be gone, and asyncio would complain that nobody heard of the failure.
            lookup.exception()

    async def _look_up(self, name: str) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(_LOOKUP_SECONDS):
                return await self._try_candidates(name)
        except TimeoutError as exc:
            message = f"no name server answered for {name} within {_LOOKUP_SECONDS} s"
            raise ProbeFailure(Reason.DNS, message) from exc

    async def _try_candidates(self, name: str) -> tuple[str, ...]:
        service = self._given or self._resolv_conf.current()
        seen: list[Answer] = []
        broken: ProbeFailure | None = None
        for candidate in service.candidates(name):
            try:
                answers = await _ask_both_families(candidate, service)
            except ProbeFailure as exc:
                broken = exc
                continue
            if addresses := _in_order(answers):
                self._keep(name, addresses, min(answer.ttl_seconds for answer in answers if answer.addresses))
                return addresses
            seen += answers
        # Where a name server failed, nobody knows that the name is missing.
        raise broken or _missing(name, seen)

    def _keep(self, name: str, addresses: tuple[str, ...], ttl_seconds: int) -> None:
        expires_at = asyncio.get_running_loop().time() + min(ttl_seconds, _MAX_TTL_SECONDS)
        self._kept[name] = _Kept(addresses, expires_at)
        self._kept.move_to_end(name)
        if len(self._kept) > _MAX_KEPT:
            self._kept.popitem(last=False)


async def _ask_both_families(name: str, service: NameService) -> list[Answer]:
    """The answers for IPv4 and IPv6; one with addresses is enough if the other fails or is late."""
    queries = [asyncio.create_task(ask(name, family, service.nameservers)) for family in RecordType]
    try:
        done, _ = await asyncio.wait(queries, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait(queries, timeout=_OTHER_FAMILY_SECONDS if _in_order(_answers(done)) else None)
    finally:
        for query in queries:
            query.cancel()
    settled = [query for query in queries if query.done()]
    answers = _answers(settled)
    if not _in_order(answers):
        for query in settled:
            query.result()
    return answers


def _answers(queries: Iterable[asyncio.Task[Answer]]) -> list[Answer]:
    return [query.result() for query in queries if query.exception() is None]


def _in_order(answers: Iterable[Answer]) -> tuple[str, ...]:
    """IPv4 first, and few of each: more would only divide the time that each may take to connect."""
    ordered = sorted(answers, key=lambda answer: any(":" in address for address in answer.addresses))
    return tuple(address for answer in ordered for address in answer.addresses[:_ADDRESSES_PER_FAMILY])


def _missing(name: str, answers: Sequence[Answer]) -> ProbeFailure:
    if all(answer.code == ResponseCode.NXDOMAIN for answer in answers):
        return ProbeFailure(Reason.DNS, f"NXDOMAIN for {name}: the name does not exist")
    return ProbeFailure(Reason.DNS, f"{name} has no A and no AAAA record")


def _ascii_name(host: str) -> str:
    """The name in lower case and ASCII, as it is asked for. Raises ProbeFailure for what is no name."""
    try:
        name = (host if host.isascii() else host.encode("idna").decode()).lower()
    except UnicodeError as exc:
        raise ProbeFailure(Reason.DNS, "the host is not a valid name") from exc
    if len(name) > 254 or not all(_LABEL.fullmatch(label) for label in name.removesuffix(".").split(".")):
        raise ProbeFailure(Reason.DNS, "the host is not a valid name")
    return name
