"""What a probe saw of its target, by source: assertions are made on it, and evidence is kept of it."""

from enum import StrEnum
from typing import Any, Final, TypeAlias


class Source(StrEnum):
    """A part of what was seen of a target. Which there are depends on its kind."""

    # Each with its shape.
    STATUS = "STATUS"  # int or str: the protocol's own answer, as an HTTP status or a DNS response code
    HEADER = "HEADER"  # tuple of (name, value), in their order; also gRPC's metadata
    BODY = "BODY"  # str: the content as text, as far as it was read; of a heartbeat, its payload
    JSON = "JSON"  # any JSON value; where it is not noted, it is read from BODY
    SIZE = "SIZE"  # int: bytes of the content as they came
    RECORD = "RECORD"  # tuple of str: the records of a DNS answer, in presentation format
    LATENCY = "LATENCY"  # by phase, in milliseconds; the runner knows it
    CERTIFICATE = "CERTIFICATE"  # dict, see CERTIFICATE_FIELDS; days and protocol are known wherever TLS is
    LOSS = "LOSS"  # float: percent of packets that were not answered
    ROUND_TRIP = "ROUND_TRIP"  # dict: min, mean, max in milliseconds


# days (float): to the earliest expiry in the chain; names: list of str; self_signed: bool; the others: str
CERTIFICATE_FIELDS: Final = (
    *("days", "names", "subject", "issuer", "serial", "fingerprint", "protocol", "cipher", "self_signed"),
    "staple",  # of the kind tls alone
)
LATENCY_PHASES: Final = ("total", "resolve", "connect", "tls", "processing", "transfer")
ROUND_TRIP_FIGURES: Final = ("min", "mean", "max")

Facts: TypeAlias = dict[Source, Any]
