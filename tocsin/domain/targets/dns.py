"""A question to a name server, and the answer that is expected."""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, ClassVar, Final, NamedTuple

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from tocsin.domain.facts import Source
from tocsin.domain.targets.addresses import IPV4_PATTERN, IPV6_PATTERN, Host, IpFamily, Port
from tocsin.domain.targets.model import Target
from tocsin.domain.targets.rules import Requirement, matches, matches_not
from tocsin.domain.targets.tls_options import TlsOptions

_LABEL: Final = "[A-Za-z0-9_*-]{1,63}"
_NAME_PATTERN: Final = rf"\.|(?:{_LABEL}\.)*{_LABEL}\.?|{IPV6_PATTERN}"
_NAME: Final = matches(
    f"^(?:{_NAME_PATTERN})$",
    "must be a domain name in ASCII such as example.com or xn--bcher-kva.example, or an address",
)
_PATH: Final = matches(r"^/[!-~]*$", "must begin with / and be ASCII without spaces, as in /dns-query")
_NO_NUL: Final = matches_not(r"\x00", "must not contain the character NUL; leave it out")
_FOR_PTR: Final = Requirement(
    "name",
    f"has(self.recordType) && self.recordType == 'PTR' || !self.name.matches(r\"^(?:{IPV4_PATTERN}|{IPV6_PATTERN})$\")",
    "is an address, which only PTR records are asked for; choose recordType PTR, or give a name",
)
_SERVER_NEEDED: Final = Requirement(
    "transport",
    "has(self.server) || self.transport in ['UDP', 'TCP']",
    "needs a server: the system's name servers are asked over UDP or TCP",
)
_NO_RECORDS_EXPECTED: Final = Requirement(
    "expected", "!has(self.rcode) || self.rcode == 'NOERROR'", "cannot come with another rcode than NOERROR"
)
_TTLS_IN_ORDER: Final = Requirement(
    "maximum_ttl_seconds",
    "!has(self.minimumTtlSeconds) || self.minimumTtlSeconds <= self.maximumTtlSeconds",
    "must not be below minimumTtlSeconds",
)
_TLS_SPOKEN: Final = Requirement(
    "tls",
    "has(self.transport) && self.transport in ['TLS', 'HTTPS']",
    "is for the transports TLS and HTTPS; choose one of them, or leave it out",
)


class RecordType(StrEnum):
    """A type of records."""

    A = "A"
    AAAA = "AAAA"
    CNAME = "CNAME"
    MX = "MX"
    TXT = "TXT"
    NS = "NS"
    SOA = "SOA"
    SRV = "SRV"
    CAA = "CAA"
    PTR = "PTR"


class DnsTransport(StrEnum):
    """How a name server is asked."""

    UDP = "UDP"
    TCP = "TCP"
    TLS = "TLS"
    HTTPS = "HTTPS"


class DnsCode(StrEnum):
    """How a name server answers (RFC 1035, section 4.1.1)."""

    NOERROR = "NOERROR"
    FORMERR = "FORMERR"
    SERVFAIL = "SERVFAIL"
    NXDOMAIN = "NXDOMAIN"
    NOTIMP = "NOTIMP"
    REFUSED = "REFUSED"


class RecordMatch(StrEnum):
    """How the expected records are compared with those of the answer."""

    CONTAINS = "CONTAINS"
    EQUALS = "EQUALS"


def _validate_name(name: str) -> str:
    if not re.fullmatch(_NAME_PATTERN, name) or len(name.removesuffix(".")) > 253:
        raise ValueError(_NAME.message)
    return name


def _validate_path(path: str) -> str:
    if not re.fullmatch("/[!-~]*", path):
        raise ValueError(_PATH.message)
    return path


def _validate_text(text: str) -> str:
    if "\0" in text:
        raise ValueError(_NO_NUL.message)
    return text


def as_address(name: str) -> str | None:
    """The name as an IP address, if it is one."""
    try:
        return str(ip_address(name))
    except ValueError:
        return None


def _is_ipv4(text: str) -> bool:
    return ":" not in (as_address(text.strip()) or ":")


def _is_ipv6(text: str) -> bool:
    return ":" in (as_address(text.strip()) or "")


def _is_mx(text: str) -> bool:
    return re.fullmatch(r"\s*[0-9]{1,5}\s+\S+\s*", text) is not None


class _Content(NamedTuple):
    takes: Callable[[str], bool]
    example: str


# Of the types whose records have one form alone.
_CONTENTS: Final[Mapping[RecordType, _Content]] = {
    RecordType.A: _Content(_is_ipv4, "192.0.2.10"),
    RecordType.AAAA: _Content(_is_ipv6, "2001:db8::10"),
    RecordType.MX: _Content(_is_mx, "10 mail.example.com"),
}
ExpectedRecord = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_validate_text), _NO_NUL]
Ttl = Annotated[int, Field(strict=True, ge=0, le=2_147_483_647)]


class DnsTarget(Target):
    """A name server that must answer a question as expected."""

    kind: ClassVar[str] = "dns"
    requirements: ClassVar[tuple[Requirement, ...]] = (
        _FOR_PTR,
        _SERVER_NEEDED,
        _NO_RECORDS_EXPECTED,
        _TTLS_IN_ORDER,
        _TLS_SPOKEN,
    )
    sources: ClassVar[frozenset[Source]] = frozenset({Source.STATUS, Source.RECORD, Source.SIZE, Source.CERTIFICATE})

    record_type: RecordType = Field(default=RecordType.A, description="Type of the records that are asked for.")
    name: Annotated[str, Field(min_length=1, max_length=254), AfterValidator(_validate_name), _NAME] = Field(
        description="Domain name that is asked for; for PTR, also an address."
    )
    server: Host | None = Field(default=None, description="Name server that is asked; without it, those of the system.")
    port: Port | None = Field(default=None, description="Its port; 53 without it, 853 over TLS, 443 over HTTPS.")
    ip_family: IpFamily = Field(default=IpFamily.ANY, description="Which addresses of the name server are probed.")
    transport: DnsTransport = Field(default=DnsTransport.UDP, description="How it is asked.")
    path: Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_validate_path), _PATH] = Field(
        default="/dns-query", description="Path of the URL that is asked over HTTPS."
    )
    tls: TlsOptions | None = Field(default=None, description="How the transports TLS and HTTPS are secured.")
    recursion: bool = Field(default=True, description="Whether the name server shall ask others for the answer.")
    edns_bytes: Annotated[int, Field(strict=True, ge=512, le=4096)] = Field(
        default=1232, description="Largest answer over UDP that is asked for."
    )
    rcode: DnsCode = Field(default=DnsCode.NOERROR, description="How the name server must answer.")
    match: RecordMatch = Field(
        default=RecordMatch.CONTAINS, description="Whether there may be other records than the expected ones."
    )
    expected: Annotated[tuple[ExpectedRecord, ...], Field(max_length=50)] = Field(
        default=(),
        description="Records that must be in the answer, such as 10 mail.example.com; any one without them.",
    )
    authoritative: bool = Field(default=False, description="Whether the answer must be authoritative.")
    authority: Annotated[tuple[ExpectedRecord, ...], Field(max_length=50)] = Field(
        default=(), description="Records that must be in the authority section."
    )
    minimum_ttl_seconds: Ttl | None = Field(default=None, description="Smallest TTL that a record may have.")
    maximum_ttl_seconds: Ttl | None = Field(default=None, description="Largest TTL that a record may have.")

    @field_validator("name")
    @classmethod
    def _address_is_for_ptr(cls, name: str, info: ValidationInfo) -> str:
        if as_address(name) is not None and info.data.get("record_type", RecordType.PTR) is not RecordType.PTR:
            raise ValueError(_FOR_PTR.message)
        return name

    @field_validator("transport")
    @classmethod
    def _private_transports_need_a_server(cls, transport: DnsTransport, info: ValidationInfo) -> DnsTransport:
        is_private = transport in (DnsTransport.TLS, DnsTransport.HTTPS)
        if is_private and info.data.get("server", "") is None:
            raise ValueError(_SERVER_NEEDED.message)
        return transport

    @field_validator("tls")
    @classmethod
    def _tls_is_spoken(cls, tls: TlsOptions | None, info: ValidationInfo) -> TlsOptions | None:
        if tls is not None and info.data.get("transport") in (DnsTransport.UDP, DnsTransport.TCP):
            raise ValueError(_TLS_SPOKEN.message)
        return tls

    @field_validator("expected")
    @classmethod
    def _records_come_without_an_error(cls, expected: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if expected and info.data.get("rcode", DnsCode.NOERROR) is not DnsCode.NOERROR:
            raise ValueError(_NO_RECORDS_EXPECTED.message)
        record_type = info.data.get("record_type", RecordType.TXT)
        if record_type in _CONTENTS and not all(map(_CONTENTS[record_type].takes, expected)):
            raise ValueError(f"must be {record_type} records, such as {_CONTENTS[record_type].example}")
        return expected

    @field_validator("maximum_ttl_seconds")
    @classmethod
    def _ttls_are_in_order(cls, most: int | None, info: ValidationInfo) -> int | None:
        if most is not None and most < (info.data.get("minimum_ttl_seconds") or 0):
            raise ValueError(_TTLS_IN_ORDER.message)
        return most

    @property
    def endpoint_port(self) -> int:
        """The port that is given, or the transport's own."""
        return self.port or {DnsTransport.TLS: 853, DnsTransport.HTTPS: 443}.get(self.transport, 53)
