"""What /etc/hosts and /etc/resolv.conf say, kept up to date."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from time import monotonic
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_LOOK_AGAIN_SECONDS: Final = 5.0
_DNS_PORT: Final = 53


@dataclass(frozen=True, slots=True)
class NameService:
    """Whom to ask for names, and which suffixes to try. See resolv.conf(5) for `search` and `ndots`."""

    nameservers: tuple[tuple[str, int], ...]
    search: tuple[str, ...] = ()
    ndots: int = 1

    def candidates(self, name: str) -> tuple[str, ...]:
        """The full names to try, in order, for a name as people write it."""
        if name.endswith("."):
            return (name[:-1],)
        suffixed = tuple(f"{name}.{suffix}" for suffix in self.search)
        return (name, *suffixed) if name.count(".") >= self.ndots else (*suffixed, name)


class WatchedFile(Generic[T]):
    """A parsed file that is read again after it changed. A missing file reads as an empty one."""

    def __init__(self, path: Path, parse: Callable[[str], T]) -> None:
        self._path = path
        self._parse = parse
        self._changed_at: int | None = None
        self._looked_at = float("-inf")
        self._content = parse("")

    def current(self) -> T:
        if monotonic() - self._looked_at >= _LOOK_AGAIN_SECONDS:
            self._looked_at = monotonic()
            self._look()
        return self._content

    def _look(self) -> None:
        try:
            changed_at = self._path.stat().st_mtime_ns
            if changed_at != self._changed_at:
                self._content = self._parse(self._path.read_text("utf-8", "replace"))
                self._changed_at = changed_at
        except OSError:
            # Keeps what was read before: the file may be in the middle of being replaced.
            return


def parse_hosts(text: str) -> Mapping[str, tuple[str, ...]]:
    """Names in lower case, each with its addresses, IPv4 first."""
    hosts: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if _is_usable(address):
            for name in names:
                hosts[name.lower()] = _ipv4_first((*hosts.get(name.lower(), ()), address))
    return hosts


def parse_resolv_conf(text: str) -> NameService:
    nameservers: list[tuple[str, int]] = []
    search: tuple[str, ...] = ()
    ndots = 1
    for line in text.splitlines():
        match line.split():
            case ["nameserver", address, *_]:
                nameservers.append((address, _DNS_PORT))
            case ["search" | "domain", *suffixes]:
                search = tuple(suffix.strip(".").lower() for suffix in suffixes if suffix.strip("."))
            case ["options", *options]:
                ndots = _ndots(options, ndots)
    return NameService(tuple(nameservers[:3]) or (("127.0.0.1", _DNS_PORT),), search, ndots)


def _ndots(options: list[str], default: int) -> int:
    given = [option.removeprefix("ndots:") for option in options if option.startswith("ndots:")]
    return min(int(given[-1]), 15) if given and given[-1].isdigit() else default


def _is_usable(address: str) -> bool:
    try:
        ip_address(address)
    except ValueError:
        return False
    return "%" not in address


def _ipv4_first(addresses: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(addresses, key=lambda address: ":" in address))
