"""The egress guard: which addresses a probe may dial.

It judges the address that is about to be dialed, never a name: names are resolved first, so redirects, CNAMEs and
rebinding change nothing. `ipaddress.is_private` and `is_global` are the wrong tests: NAT64, multicast and the
metadata services of several clouds pass them.
"""

import re
import socket
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from probes.failures import TargetBlockedError

Endpoint = tuple[str, int]
"""An IP address and a port."""

_ANY_IPV4, _ANY_IPV6 = "0.0.0.0", "::"  # noqa: S104 - nothing is bound here


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """What this installation lets its probes reach.

    `allow_private` opens loopback, private and shared ranges. `refused` are the platform's own database, Redis and
    listeners; there, 0.0.0.0 or :: stands for every address of this machine. `excepted` are reached whatever the
    other rules say: the demo's targets. Raises ValueError for an entry that is no IP address.
    """

    allow_private: bool
    refused: frozenset[Endpoint] = frozenset()
    excepted: frozenset[Endpoint] = frozenset()

    def __post_init__(self) -> None:
        for field in ("refused", "excepted"):
            object.__setattr__(self, field, _canonical(getattr(self, field)))


def require_allowed(address: str, port: int | None, policy: EgressPolicy) -> None:
    """Raise TargetBlockedError if the policy refuses to dial this IP address and port; ICMP has no port."""
    if port is None:
        return _require_reachable(_standing(address), policy)
    if not 0 < port <= 65_535:
        # Some event loops dial the number modulo 65,536, which is not the one that is judged.
        raise TargetBlockedError("the target has no valid port; use one from 1 to 65535")
    standing = _standing(address)
    endpoint = (standing.address, port)
    if endpoint in policy.excepted:
        return None
    _require_reachable(standing, policy)
    if _is_the_platforms_own(endpoint, policy):
        raise TargetBlockedError("the target is a server of this platform itself, which is never probed")
    return None


def _require_reachable(standing: "_Standing", policy: EgressPolicy) -> None:
    if standing.reach is _Reach.NEVER:
        raise TargetBlockedError(f"the target is {standing.what}, which is never probed; use a public address")
    if standing.reach is _Reach.PRIVATE and not policy.allow_private:
        raise TargetBlockedError(
            f"the target is {standing.what}, and this installation probes public addresses only;"
            " use a public address, or have its operator set TOCSIN_ALLOW_PRIVATE_TARGETS"
        )


def require_plain_host(host: str) -> None:
    """Raise TargetBlockedError for an IPv4 address in disguise: decimal, octal, hexadecimal, short or full-width.

    Such hosts mean different addresses to different parsers. A name that ends in a number is never a domain name.
    """
    plain = _IDNA_DOTS.sub(".", unicodedata.normalize("NFKC", host)).removesuffix(".")
    if _ENDS_IN_NUMBER.search(plain) and not (plain == host and is_ip_address(host)):
        raise TargetBlockedError(
            "the host looks like an IPv4 address in an unusual spelling; write it as four decimal numbers"
        )


@lru_cache(maxsize=16_384)
def is_ip_address(host: str) -> bool:
    """Whether the host is an IP address in a spelling that every parser reads alike."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


_IDNA_DOTS = re.compile("[\u3002\uff0e\uff61]")
_ENDS_IN_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)$", re.IGNORECASE)


class _Reach(Enum):
    PUBLIC = auto()
    PRIVATE = auto()
    NEVER = auto()


@dataclass(frozen=True, slots=True)
class _Standing:
    """What an address is; `address` is its plain form, `what` its name within a sentence."""

    address: str
    reach: _Reach
    what: str = ""


_METADATA = "the metadata service of a cloud"
_SPECIAL: tuple[tuple[IPv4Network | IPv6Network, _Reach, str], ...] = tuple(
    (IPv6Network(network) if ":" in network else IPv4Network(network), reach, what)
    for reach, what, networks in (
        (
            _Reach.NEVER,
            _METADATA,
            "169.254.169.254/32 168.63.129.16/32 100.100.100.200/32 192.0.0.192/32 fd00:ec2::254/128 fd20:ce::254/128",
        ),
        (_Reach.NEVER, "an unspecified address", "0.0.0.0/8 ::/128"),
        (_Reach.NEVER, "a link-local address", "169.254.0.0/16 fe80::/10"),
        (_Reach.NEVER, "a multicast address", "224.0.0.0/4 ff00::/8"),
        (_Reach.NEVER, "the broadcast address", "255.255.255.255/32"),
        (_Reach.NEVER, "an address of a tunnel", "192.88.99.0/24 2001::/32 2002::/16 64:ff9b:1::/48"),
        (
            _Reach.NEVER,
            "a reserved address",
            "192.0.0.0/24 192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4 2001::/23 2001:db8::/32 3fff::/20",
        ),
        (_Reach.PRIVATE, "a loopback address", "127.0.0.0/8 ::1/128"),
        (_Reach.PRIVATE, "a private address", "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 198.18.0.0/15 fc00::/7"),
        (_Reach.PRIVATE, "a shared (carrier-grade NAT) address", "100.64.0.0/10"),
    )
    for network in networks.split()
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


@lru_cache(maxsize=16_384)
def _standing(address: str) -> _Standing:
    parsed = ip_address(address)
    if isinstance(parsed, IPv4Address):
        return _special(parsed) or _Standing(str(parsed), _Reach.PUBLIC)
    return _standing_of_ipv6(parsed)


def _standing_of_ipv6(address: IPv6Address) -> _Standing:
    if address.scope_id is not None:
        return _Standing(str(address), _Reach.NEVER, "an address with a zone")
    if address.ipv4_mapped is not None:
        return _standing(str(address.ipv4_mapped))
    if address in _NAT64:
        return _standing_behind_nat64(address)
    if special := _special(address):
        return special
    if address not in _GLOBAL_UNICAST:
        return _Standing(str(address), _Reach.NEVER, "a reserved address")
    return _Standing(str(address), _Reach.PUBLIC)


def _standing_behind_nat64(address: IPv6Address) -> _Standing:
    """The translator dials the IPv4 address in the last 32 bits from its own network, where private ones differ."""
    embedded = _standing(str(IPv4Address(int(address) & 0xFFFF_FFFF)))
    if embedded.reach is _Reach.PUBLIC:
        return embedded
    return _Standing(embedded.address, _Reach.NEVER, f"{embedded.what} behind NAT64")


def _special(address: IPv4Address | IPv6Address) -> _Standing | None:
    for network, reach, what in _SPECIAL:
        if address in network:
            return _Standing(str(address), reach, what)
    return None


def _is_the_platforms_own(endpoint: Endpoint, policy: EgressPolicy) -> bool:
    address, port = endpoint
    if endpoint in policy.refused:
        return True
    listens_everywhere = (_ANY_IPV4, port) in policy.refused or (_ANY_IPV6, port) in policy.refused
    return listens_everywhere and _is_of_this_machine(address)


def _is_of_this_machine(address: str) -> bool:
    """Only an address of this machine can be bound; no list of interfaces is as complete."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as candidate:
        try:
            candidate.bind((address, 0))
        except OSError:
            return False
    return True


def _canonical(endpoints: Iterable[Endpoint]) -> frozenset[Endpoint]:
    return frozenset((str(_unmapped(ip_address(address))), port) for address, port in endpoints)


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    return getattr(address, "ipv4_mapped", None) or address
