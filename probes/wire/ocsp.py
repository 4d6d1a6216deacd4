"""The OCSP response that a server staples to its certificate (RFC 6960), and whether it is to be believed."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import Hash
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from probes.wire.certificates import Certificates

# How far the clocks of a responder and of this installation may differ.
_SKEW: Final = timedelta(minutes=5)


class Staple(StrEnum):
    """What a staple says of a certificate; INVALID says nothing, as nobody who may has signed it lately."""

    GOOD = "GOOD"
    REVOKED = "REVOKED"
    UNKNOWN = "UNKNOWN"
    INVALID = "INVALID"
    MISSING = "MISSING"


def read_staple(staple: bytes, presented: Certificates, trusted: Certificates, now: datetime) -> tuple[Staple, str]:
    """What the staple says of the first of the presented certificates, and the words for it.

    `trusted` is the chain that leads to an authority, as far as there is one; one of both holds the issuer.
    """
    if not staple or not presented:
        return Staple.MISSING, "the server staples no OCSP response"
    try:
        return _read(ocsp.load_der_ocsp_response(staple), presented[0], (*trusted, *presented), now)
    except (ValueError, UnsupportedAlgorithm, TypeError):
        return Staple.INVALID, "the OCSP staple cannot be read"


def _read(
    response: ocsp.OCSPResponse, leaf: x509.Certificate, others: Certificates, now: datetime
) -> tuple[Staple, str]:
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        return Staple.INVALID, f"the OCSP staple is an error: {response.response_status.name.lower()}"
    issuer = next((each for each in others if _issued(each, leaf)), None)
    if issuer is None:
        return Staple.INVALID, "the OCSP staple cannot be verified: the issuer of the certificate was not presented"
    single = next((each for each in response.responses if _is_about(each, leaf, issuer)), None)
    if single is None:
        return Staple.INVALID, "the OCSP staple is for another certificate"
    if not _is_authentic(response, issuer, now):
        return Staple.INVALID, "the OCSP staple is not signed by the certificate's issuer"
    return _judge(single, now)


def _judge(single: ocsp.OCSPSingleResponse, now: datetime) -> tuple[Staple, str]:
    if single.next_update_utc is not None and single.next_update_utc < now - _SKEW:
        return Staple.INVALID, f"the OCSP staple expired on {single.next_update_utc:%Y-%m-%d %H:%M} UTC"
    if single.this_update_utc > now + _SKEW:
        return Staple.INVALID, f"the OCSP staple is not valid before {single.this_update_utc:%Y-%m-%d %H:%M} UTC"
    match single.certificate_status:
        case ocsp.OCSPCertStatus.GOOD:
            return Staple.GOOD, "the OCSP staple is good"
        case ocsp.OCSPCertStatus.REVOKED:
            return Staple.REVOKED, f"the certificate was revoked on {single.revocation_time_utc:%Y-%m-%d %H:%M} UTC"
    return Staple.UNKNOWN, "the OCSP responder does not know the certificate"


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _is_about(single: ocsp.OCSPSingleResponse, leaf: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Serial numbers are unique for one issuer alone, which the response names by the hash of its name."""
    digest = Hash(single.hash_algorithm)
    digest.update(issuer.subject.public_bytes())
    return single.serial_number == leaf.serial_number and single.issuer_name_hash == digest.finalize()


def _is_authentic(response: ocsp.OCSPResponse, issuer: x509.Certificate, now: datetime) -> bool:
    """Signed by the issuer, or by whom the issuer certified for it."""
    delegates = [each for each in response.certificates[:3] if _may_sign(each, issuer, now)]
    return any(_has_signed(each, response) for each in (issuer, *delegates))


def _may_sign(delegate: x509.Certificate, issuer: x509.Certificate, now: datetime) -> bool:
    try:
        usages = delegate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    is_valid = delegate.not_valid_before_utc <= now + _SKEW and now - _SKEW <= delegate.not_valid_after_utc
    return ExtendedKeyUsageOID.OCSP_SIGNING in usages and is_valid and _issued(issuer, delegate)


def _has_signed(signer: x509.Certificate, response: ocsp.OCSPResponse) -> bool:
    key, signed, signature = signer.public_key(), response.tbs_response_bytes, response.signature
    algorithm = response.signature_hash_algorithm
    try:
        match key:
            case rsa.RSAPublicKey() if algorithm:
                key.verify(signature, signed, padding.PKCS1v15(), algorithm)
            case ec.EllipticCurvePublicKey() if algorithm:
                key.verify(signature, signed, ec.ECDSA(algorithm))
            case ed25519.Ed25519PublicKey():
                key.verify(signature, signed)
            case _:
                return False
    except InvalidSignature:
        return False
    return True
