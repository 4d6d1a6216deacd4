"""How a connection is secured, as every kind of target that speaks TLS takes it."""

from enum import StrEnum
from typing import Annotated, Final, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tocsin.domain.targets.addresses import Host
from tocsin.domain.targets.model import MayBeSecret
from tocsin.domain.targets.rules import matches
from tocsin.domain.targets.secrets import PLACEHOLDER

_CERTIFICATES_MESSAGE: Final = (
    "must be certificates in PEM, which begin with -----BEGIN CERTIFICATE-----; convert others by openssl x509 -out"
)
_CERTIFICATES: Final = matches("-----BEGIN CERTIFICATE-----", _CERTIFICATES_MESSAGE)
_KEY_MESSAGE: Final = (
    "must be a private key in PEM without a passphrase, which begins with -----BEGIN PRIVATE KEY-----; "
    "convert others by openssl pkey -out"
)
_KEY: Final = matches("-----BEGIN [A-Z ]*PRIVATE KEY-----", _KEY_MESSAGE)


class TlsVersion(StrEnum):
    """A version of TLS."""

    TLS_1_2 = "TLS_1_2"
    TLS_1_3 = "TLS_1_3"


def _validate_certificates(pem: str) -> str:
    try:
        x509.load_pem_x509_certificates(pem.encode())
    except ValueError as exc:
        raise ValueError(_CERTIFICATES_MESSAGE) from exc
    return pem


def _validate_key(pem: str) -> str:
    if pem != PLACEHOLDER:
        _load_key(pem)
    return pem


def _load_key(pem: str) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as exc:
        raise ValueError(_KEY_MESSAGE) from exc


Certificates = Annotated[
    str, Field(min_length=1, max_length=65_536), AfterValidator(_validate_certificates), _CERTIFICATES
]


class ClientCertificate(BaseModel):
    """What a client shows a server that asks who it is."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    certificate: Certificates = Field(description="The certificate in PEM, and those that lead to its authority.")
    key: Annotated[str, Field(max_length=16_384), AfterValidator(_validate_key), _KEY, MayBeSecret()] = Field(
        description="Its private key in PEM, without a passphrase."
    )

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if self.key != PLACEHOLDER:
            certificate = x509.load_pem_x509_certificates(self.certificate.encode())[0]
            public_keys = (certificate.public_key(), _load_key(self.key).public_key())
            shown, held = (key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for key in public_keys)
            if shown != held:
                raise ValueError("must hold the key of its first certificate; give the key that belongs to it")
        return self


class TlsOptions(BaseModel):
    """How TLS is spoken, and whom to trust."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    ca: Certificates | None = Field(
        default=None, description="Authorities to trust, in PEM, in place of the public ones."
    )
    server_name: Host | None = Field(
        default=None, description="Name to ask for and to find in the certificate, when it is not the host."
    )
    minimum_version: TlsVersion = Field(default=TlsVersion.TLS_1_2, description="Oldest version to accept.")
    skip_verification: bool = Field(
        default=False, description="Whether any certificate is accepted. Each result is marked as unverified."
    )
    client_certificate: ClientCertificate | None = Field(
        default=None, description="What to show a server that asks for a certificate."
    )
