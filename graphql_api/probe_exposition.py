"""Results as blackbox_exporter tells them: the same names, labels and units, in Prometheus' text format."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

import asyncpg
import orjson

from tocsin.domain.observations import Outcome, Reason
from tocsin.domain.targets.shown import shown_address, without_query
from tocsin.models.codes import OUTCOMES, REASONS

Sample: TypeAlias = tuple[str, str, float]
"""Name of the metric, labels of its own, value."""

HELP: Final[Mapping[str, str]] = {
    "probe_success": "Whether the newest probe that could tell succeeded.",
    "probe_duration_seconds": "How long it took.",
    "probe_dns_lookup_time_seconds": "How long resolving the name took; 0 for an address.",
    "probe_ip_protocol": "Whether it went over IPv4 or IPv6.",
    "probe_failed_due_to_regex": "Whether it failed since what came was not as expected.",
    "probe_http_status_code": "Status of the response; 0 without one.",
    "probe_http_duration_seconds": "How long it took, by phase.",
    "probe_http_ssl": "Whether the connection was secured.",
    "probe_ssl_earliest_cert_expiry": "When the first certificate of the chain expires, in seconds since 1970.",
    "probe_icmp_duration_seconds": "How long it took, by phase.",
    "probe_dns_duration_seconds": "How long it took, by phase.",
    "probe_dns_query_succeeded": "Whether the server answered.",
    "probe_grpc_duration_seconds": "How long it took, by phase.",
    "probe_grpc_ssl": "Whether the connection was secured.",
    "tocsin_probe_slot_timestamp_seconds": "When the newest probe was due, in seconds since 1970.",
}
# Nothing of a target: a rule on probe_success must not fire for a fault of ours.
_UNDECIDED: Final = frozenset({Outcome.MISSED, Outcome.UNKNOWN})
_PHASES: Final = ("resolve", "connect", "tls", "processing", "transfer")
_SECONDS_PER_US: Final = 1e-6
_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class Exposition:
    """Text that grows by pages of results; what belongs to one metric stays together, as the format has it."""

    def __init__(self, organization: str) -> None:
        self._organization = organization
        self._parts: dict[str, list[str]] = defaultdict(list)

    def add(self, rows: Iterable[asyncpg.Record]) -> None:
        """Rows of `services.newest_results`."""
        lines: dict[str, list[str]] = defaultdict(list)
        for row in rows:
            if row["slot"] is not None:
                labels = _labels(row, self._organization)
                for name, own, value in _samples(row):
                    lines[name].append(f"{name}{{{labels}{own}}} {value!r}\n")
        for name, of_name in lines.items():
            self._parts[name].append("".join(of_name))

    def parts(self) -> Iterator[str]:
        """The text, in parts of some kilobytes."""
        for name, parts in self._parts.items():
            yield f"# HELP {name} {HELP[name]}\n# TYPE {name} gauge\n"
            yield from parts


def _labels(row: asyncpg.Record, organization: str) -> str:
    address = without_query(shown_address(orjson.loads(row["address_fields"]))) or row["name"]
    labels = {
        "instance": address,
        "check_id": str(row["check_id"]),
        "name": row["name"],
        "kind": row["kind"],
        "site": row["site"],
        "organization": organization,
        "location": row["location"],
    }
    return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())


def _samples(row: asyncpg.Record) -> Iterator[Sample]:
    yield "tocsin_probe_slot_timestamp_seconds", "", row["slot"].timestamp()
    outcome = OUTCOMES[row["outcome"]]
    if outcome in _UNDECIDED:
        return
    yield "probe_success", "", float(outcome is not Outcome.FAILURE)
    yield "probe_duration_seconds", "", row["duration_us"] * _SECONDS_PER_US
    if row["ip_family"] is not None:
        yield "probe_dns_lookup_time_seconds", "", (row["resolve_us"] or 0) * _SECONDS_PER_US
        yield "probe_ip_protocol", "", float(row["ip_family"])
    if row["certificate_expires_at"] is not None:
        yield "probe_ssl_earliest_cert_expiry", "", row["certificate_expires_at"].timestamp()
    yield from _OF_KIND.get(row["kind"], _of_no_kind)(row)


def _of_no_kind(_: asyncpg.Record) -> Iterator[Sample]:
    yield from ()


def _of_http(row: asyncpg.Record) -> Iterator[Sample]:
    yield "probe_http_status_code", "", float(row["status_code"] or 0)
    yield from _phases("probe_http_duration_seconds", row, {phase: (phase,) for phase in _PHASES})
    yield "probe_http_ssl", "", float(row["tls_us"] is not None)
    yield from _of_tcp(row)


def _of_tcp(row: asyncpg.Record) -> Iterator[Sample]:
    yield "probe_failed_due_to_regex", "", float(_reason(row) is Reason.ASSERTION)


def _of_icmp(row: asyncpg.Record) -> Iterator[Sample]:
    phases = {"resolve": ("resolve",), "setup": ("connect",), "rtt": ("processing",)}
    yield from _phases("probe_icmp_duration_seconds", row, phases)


def _of_dns(row: asyncpg.Record) -> Iterator[Sample]:
    phases = {"resolve": ("resolve",), "connect": ("connect", "tls"), "request": ("processing", "transfer")}
    yield from _phases("probe_dns_duration_seconds", row, phases)
    yield "probe_dns_query_succeeded", "", float(_reason(row) in (None, Reason.STATUS, Reason.ASSERTION))


def _of_grpc(row: asyncpg.Record) -> Iterator[Sample]:
    phases = {"resolve": ("resolve",), "check": ("connect", "tls", "processing", "transfer")}
    yield from _phases("probe_grpc_duration_seconds", row, phases)
    yield "probe_grpc_ssl", "", float(row["tls_us"] is not None)


_OF_KIND: Final[Mapping[str, Callable[[asyncpg.Record], Iterator[Sample]]]] = {
    "http": _of_http,
    "graphql": _of_http,
    "tcp": _of_tcp,
    "icmp": _of_icmp,
    "dns": _of_dns,
    "grpc": _of_grpc,
}


def _phases(name: str, row: asyncpg.Record, phases: Mapping[str, tuple[str, ...]]) -> Iterator[Sample]:
    """Each phase as blackbox_exporter cuts it, of ours that it holds; 0 for one that was not reached."""
    for phase, ours in phases.items():
        yield name, f',phase="{phase}"', sum(row[f"{own}_us"] or 0 for own in ours) * _SECONDS_PER_US


def _reason(row: asyncpg.Record) -> Reason | None:
    return None if row["reason"] is None else REASONS[row["reason"]]
