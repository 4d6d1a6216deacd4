"""What certificates say, in plain values, whoever issued them."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from probes.egress import is_ip_address
from probes.wire.lines import shown

_MAX_CERTIFICATES: Final = 20
_MAX_NAMES: Final = 200
_DAY: Final = timedelta(days=1)

Certificates = Sequence[x509.Certificate]
"""A chain as it was presented, the server's own certificate first."""


def load_chain(encoded: Iterable[bytes]) -> Certificates:
    """The certificates of a chain in DER, up to the first that cannot be read, and 20 at most."""
    chain: list[x509.Certificate] = []
    for each in encoded:
        try:
            chain.append(x509.load_der_x509_certificate(each))
        except ValueError:
            break
        if len(chain) == _MAX_CERTIFICATES:
            break
    return chain


def earliest_expiry(chain: Certificates) -> datetime | None:
    """When the first of the chain expires."""
    return min((certificate.not_valid_after_utc for certificate in chain), default=None)


def describe(chain: Certificates, protocol: str | None, cipher: str | None, now: datetime) -> dict[str, Any]:
    """The fact CERTIFICATE: days are those to the earliest expiry of the chain, everything else is of the first one."""
    expiry = earliest_expiry(chain)
    if expiry is None:
        return {"protocol": protocol, "cipher": cipher}
    leaf = chain[0]
    return {
        "days": _days(expiry, now),
        "names": [shown(name.encode("utf-8", "replace")) for name in names_of(leaf)[:_MAX_NAMES]],
        "subject": readable_name(leaf.subject),
        "issuer": readable_name(leaf.issuer),
        "serial": f"{leaf.serial_number:x}",
        "fingerprint": leaf.fingerprint(hashes.SHA256()).hex(),
        "expires_at": expiry.isoformat(),
        "protocol": protocol,
        "cipher": cipher,
        "self_signed": leaf.subject == leaf.issuer,
        "chain": [_link(certificate, now) for certificate in chain],
    }


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """The host names, in small letters, and the addresses that a certificate is for; none of its subject's."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return ()
    hosts = names.get_values_for_type(x509.DNSName)
    return (*map(str.lower, hosts), *map(str, names.get_values_for_type(x509.IPAddress)))


def covers(certificate_names: Collection[str], host: str) -> bool:
    """Whether a certificate with these names is valid for a host (RFC 9525): a * stands for one whole label.

    The names are in small letters.
    """
    if is_ip_address(host):
        return str(ip_address(host)) in certificate_names
    name = _in_ascii(host)
    above = f"*.{name.partition('.')[2]}" if name.count(".") >= 2 else name
    return name in certificate_names or above in certificate_names


def readable_name(name: x509.Name) -> str:
    """A name as RFC 4514 writes it, such as CN=R11,O=Let's Encrypt,C=US, short and printable."""
    try:
        return shown(name.rfc4514_string().encode())
    except ValueError:
        return ""


def _in_ascii(host: str) -> str:
    return (host if host.isascii() else host.encode("idna").decode()).lower().removesuffix(".")


def _link(certificate: x509.Certificate, now: datetime) -> dict[str, Any]:
    return {
        "subject": readable_name(certificate.subject),
        "issuer": readable_name(certificate.issuer),
        "days": _days(certificate.not_valid_after_utc, now),
    }


def _days(expiry: datetime, now: datetime) -> float:
    return round((expiry - now) / _DAY, 3)
