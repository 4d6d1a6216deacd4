"""The prober for TLS: certificates, names, protocol and cipher, and the OCSP staple."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from probes.egress import is_ip_address
from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.trace import Phase, Trace
from probes.wire.certificates import covers, describe, earliest_expiry, names_of, readable_name
from probes.wire.dialing import dial
from probes.wire.lines import shown
from probes.wire.ocsp import Staple, read_staple
from probes.wire.stapled_tls import Handshake, shake_hands
from probes.wire.starttls import ask_for_tls
from probes.wire.tls import verification_message
from tocsin.domain.facts import Source
from tocsin.domain.observations import Reason
from tocsin.domain.targets.tls import StapleDemand, TlsTarget
from tocsin.domain.targets.tls_options import TlsOptions, TlsVersion

_USUAL: Final = TlsOptions()
_TOLD_NAMES: Final = 3
_PROTOCOLS: Final = {TlsVersion.TLS_1_2: "TLSv1.2", TlsVersion.TLS_1_3: "TLSv1.3"}


async def probe_tls(target: TlsTarget, engine: Engine, trace: Trace) -> None:
    """Return if the server's TLS is as expected. Raises ProbeFailure if it is not, and notes what was seen before."""
    options = target.options or _USUAL
    connection = await dial(target.host, target.port, engine, trace, target.ip_family)
    try:
        if target.starttls is not None:
            await ask_for_tls(target.starttls, connection, trace)
        trace.enter(Phase.TLS)
        name = options.server_name or target.host
        seen = await shake_hands(connection, name, engine.tls_contexts.stapling, options)
    finally:
        connection.abort()
    now = engine.now()
    staple = read_staple(seen.staple, seen.chain, seen.trusted, now)
    problem = None if options.skip_verification else _problem(seen, name)
    _note(seen, problem, staple, trace, now)
    trace.tls_verified = not options.skip_verification
    if problem is not None:
        raise ProbeFailure(Reason.TLS, problem)
    _require_unrevoked(target.ocsp_staple, staple)
    if unmet := "; ".join(_unmet(target, seen, staple, now)):
        raise ProbeFailure(Reason.ASSERTION, unmet)


def _problem(seen: Handshake, host: str) -> str | None:
    """Why the certificate is not to be trusted."""
    if seen.problem is not None:
        return verification_message(seen.problem, host, earliest_expiry(seen.chain))
    if not seen.chain or not covers(names_of(seen.chain[0]), host):
        return f"the certificate is not valid for the {'address' if is_ip_address(host) else 'host'} {host}"
    return None


def _note(seen: Handshake, problem: str | None, staple: tuple[Staple, str], trace: Trace, now: datetime) -> None:
    trace.tls_version = seen.protocol
    trace.certificate_expires_at = earliest_expiry(seen.chain)
    certificate = describe(seen.chain, seen.protocol, seen.cipher, now)
    trace.facts[Source.CERTIFICATE] = {**certificate, "problem": problem, "staple": staple[0].value}


def _require_unrevoked(demand: StapleDemand, staple: tuple[Staple, str]) -> None:
    status, words = staple
    if status is Staple.REVOKED and demand is not StapleDemand.IGNORED:
        raise ProbeFailure(Reason.TLS, words)


def _unmet(target: TlsTarget, seen: Handshake, staple: tuple[Staple, str], now: datetime) -> Iterator[str]:
    """What is not as expected: staple, days, issuer, protocol, cipher and names, in this order."""
    status, words = staple
    if status is not Staple.GOOD and target.ocsp_staple is StapleDemand.REQUIRED:
        yield words
    yield from _too_few_days(target, seen, now)
    issuer = readable_name(seen.chain[0].issuer) if seen.chain else ""
    if target.issuer is not None and target.issuer not in issuer:
        yield f"expected an issuer with {target.issuer}, got {issuer}"
    yield from _none_of([_PROTOCOLS[version] for version in target.protocols], seen.protocol)
    yield from _none_of(target.ciphers, seen.cipher)
    yield from _missing_names(target.names, seen)


def _too_few_days(target: TlsTarget, seen: Handshake, now: datetime) -> Iterator[str]:
    least = target.minimum_days
    if least is None or not seen.chain:
        return
    first = min(seen.chain, key=lambda certificate: certificate.not_valid_after_utc)
    expiry = first.not_valid_after_utc
    if expiry - now < timedelta(days=least):
        days = (expiry - now) / timedelta(days=1)
        yield (
            f"the certificate of {readable_name(first.subject)} expires in {days:.1f} days, "
            f"on {expiry:%Y-%m-%d %H:%M} UTC, and at least {least} days are expected"
        )


def _missing_names(expected: Sequence[str], seen: Handshake) -> Iterator[str]:
    named = names_of(seen.chain[0]) if seen.chain else ()
    found = frozenset(named)
    missing = [name for name in expected if name.lower() not in found and not covers(found, name)]
    if missing:
        yield f"the certificate is not for {', '.join(missing[:5])}, but for {_told_names(named)}"


def _told_names(names: Sequence[str]) -> str:
    """The first of them, for a certificate may have thousands."""
    first = [shown(name.encode("utf-8", "replace")) for name in names[:_TOLD_NAMES]]
    others = len(names) - len(first)
    return (", ".join(first) or "no name") + (f" and {others} more" if others else "")


def _none_of(expected: Sequence[str], got: str) -> Iterator[str]:
    if expected and got not in expected:
        yield f"expected {' or '.join(expected)}, got {got}"
