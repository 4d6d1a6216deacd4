"""A server's TLS: its certificates, and how it speaks."""

from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field

from tocsin.domain.facts import Source
from tocsin.domain.targets.addresses import Host, IpFamily, Port, validate_host
from tocsin.domain.targets.model import Target
from tocsin.domain.targets.rules import matches
from tocsin.domain.targets.security import StartTls
from tocsin.domain.targets.tls_options import TlsOptions, TlsVersion

_NAME: Final = matches(
    r"^(?:\*\.)?[^*\s\pC]+$", "must be a host name, an address, or a name with * for its first label, as *.example.com"
)
_CIPHER: Final = matches("^[A-Z0-9_-]+$", "must be a cipher suite as OpenSSL calls it, such as TLS_AES_256_GCM_SHA384")


class StapleDemand(StrEnum):
    """What is demanded of the OCSP response that a server staples to its certificate."""

    IGNORED = "IGNORED"
    CHECKED = "CHECKED"
    REQUIRED = "REQUIRED"


def _validate_name(name: str) -> str:
    try:
        validate_host(name.removeprefix("*."))
    except ValueError as exc:
        raise ValueError(_NAME.message) from exc
    return name


def _validate_cipher(name: str) -> str:
    if not name.replace("_", "").replace("-", "").isalnum() or not name.isascii() or not name.isupper():
        raise ValueError(_CIPHER.message)
    return name


CertificateName = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_validate_name), _NAME]
CipherSuite = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_validate_cipher), _CIPHER]


class TlsTarget(Target):
    """A server whose certificates and TLS must be as expected."""

    kind: ClassVar[str] = "tls"
    sources: ClassVar[frozenset[Source]] = frozenset({Source.CERTIFICATE})

    host: Host = Field(description="Host name, or IP address without brackets.")
    port: Port = Field(description="Port, from 1 to 65535.")
    ip_family: IpFamily = Field(default=IpFamily.ANY, description="Which addresses of the host are probed.")
    starttls: StartTls | None = Field(
        default=None, description="The protocol in whose words TLS is asked for, when it does not begin at once."
    )
    options: TlsOptions | None = Field(default=None, description="How TLS is spoken, and whom to trust.")
    minimum_days: Annotated[int, Field(strict=True, ge=0, le=3650)] | None = Field(
        default=None, description="How many days each certificate of the presented chain must still be valid."
    )
    names: Annotated[tuple[CertificateName, ...], Field(max_length=50)] = Field(
        default=(), description="Names that the certificate must be for, beside the one that is asked for."
    )
    issuer: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None,
        description="Text that the name of the certificate's issuer must contain, such as O=Let's Encrypt.",
    )
    protocols: Annotated[tuple[TlsVersion, ...], Field(max_length=2)] = Field(
        default=(), description="Versions of TLS of which one must be agreed on; any without them."
    )
    ciphers: Annotated[tuple[CipherSuite, ...], Field(max_length=30)] = Field(
        default=(), description="Cipher suites of which one must be agreed on; any without them."
    )
    ocsp_staple: StapleDemand = Field(
        default=StapleDemand.CHECKED,
        description="CHECKED fails when a staple says that the certificate is revoked, REQUIRED when it is not good.",
    )
