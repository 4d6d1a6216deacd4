"""What a probe is told of a check's revision, and how the secrets come into it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from pydantic import ValidationError

from probes.failures import ProbeFailure
from probes.redaction import Redaction
from tocsin.domain.observations import Reason
from tocsin.domain.retries import NO_RETRIES, Retries
from tocsin.domain.targets import KINDS, parse_target
from tocsin.domain.targets.model import Target
from tocsin.domain.targets.secrets import Path, find_references, is_secret_name, plain_secrets, replaced
from tocsin.encryption import EncryptionError, KeyRing
from tocsin.running import log_internal_error
from tocsin.services.check_secrets import SealedSecret
from tocsin.services.leases import Definition

# How PostgreSQL writes JSON; in a text within JSON the quotes would be escaped.
_REFERENCE: Final = '{"secret": "'


@dataclass(frozen=True, slots=True)
class Aim:
    """A target, how long a probe of it may take, and what keeps its secrets, if it holds any, out of the record."""

    target: Target = field(repr=False)
    timeout: timedelta
    redaction: Redaction | None = None
    retries: Retries = NO_RETRIES

    def revealed(self) -> "Aim":
        """It has all that it needs."""
        return self


@dataclass(frozen=True, slots=True)
class UnreadableAim:
    """A target that a newer version has stored and this one cannot read."""

    def revealed(self) -> Aim:
        """Raises ProbeFailure with reason INTERNAL_ERROR."""
        raise _unreadable()


@dataclass(frozen=True, slots=True)
class Template:
    """A target with references where its secrets will stand. It is kept; what is made of it is not."""

    kind: str
    fields: Mapping[str, Any]
    timeout: timedelta
    references: Mapping[Path, str]
    retries: Retries = NO_RETRIES
    plain: frozenset[str] = frozenset()  # what stands where secrets may


@dataclass(frozen=True, slots=True)
class SealedAim:
    """A template with its secrets, still encrypted: they are opened when the probe begins."""

    template: Template
    secrets: Mapping[str, SealedSecret]  # by reference
    keys: KeyRing

    def revealed(self) -> Aim:
        """Raises ProbeFailure with reason SECRET_UNAVAILABLE: a target is never probed without its secrets."""
        template = self.template
        values = {path: self._open(reference) for path, reference in template.references.items()}
        try:
            target = parse_target(template.kind, replaced(template.fields, values))
        except ValidationError as exc:
            raise _unusable(exc, template.references) from None
        redaction = Redaction(frozenset(values.values()), template.plain)
        return Aim(target, template.timeout, redaction, template.retries)

    def _open(self, reference: str) -> str:
        if reference not in self.secrets:
            raise _unavailable(_not_stored(reference))
        try:
            value = self.secrets[reference].open(self.keys)
        except EncryptionError as exc:
            raise _unavailable(f"the secret {reference} cannot be decrypted: {exc}") from exc
        if not value:
            raise _unavailable(f"the secret {reference} is empty; give it a value")
        return value


ReadyAim = Aim | UnreadableAim
RevealableAim = ReadyAim | SealedAim


def read_aim(definition: Definition) -> ReadyAim | Template:
    """What is to be probed, as far as it is known without secrets."""
    try:
        fields = json.loads(definition.target)
        references = find_references(KINDS[definition.kind], fields) if _REFERENCE in definition.target else {}
        plain = plain_secrets(KINDS[definition.kind], fields)
        if references:
            return Template(definition.kind, fields, definition.timeout, references, definition.retries, plain)
        redaction = Redaction((), plain) if plain else None
        return Aim(parse_target(definition.kind, fields), definition.timeout, redaction, definition.retries)
    except Exception as exc:
        log_internal_error("target_not_read", exc, kind=definition.kind)
        return UnreadableAim()


def _not_stored(reference: str) -> str:
    remedy = "make it with createSecret" if is_secret_name(reference) else "see the condition SecretsResolved"
    return f"the secret {reference} is not stored; {remedy}"


def _unavailable(message: str) -> ProbeFailure:
    return ProbeFailure(Reason.SECRET_UNAVAILABLE, message)


def _unusable(exc: ValidationError, references: Mapping[Path, str]) -> ProbeFailure:
    """Which secret its field refuses, and why; the reasons that the models give hold no part of a value."""
    for error in exc.errors(include_url=False, include_input=False, include_context=False):
        if reference := references.get(error["loc"]):
            return _unavailable(f"the secret {reference} cannot be used: {error['msg'].removeprefix('Value error, ')}")
    return _unreadable()


def _unreadable() -> ProbeFailure:
    return ProbeFailure(Reason.INTERNAL_ERROR, "this worker's version does not know such a target")
