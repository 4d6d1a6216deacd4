"""What a path says: whose key it holds, and what is reported. Healthchecks' clients know these paths.

    /KEY                success            /KEY/log    a log
    /KEY/start          a run started      /KEY/0      success with an exit code
    /KEY/fail           a failure          /KEY/255    a failure with an exit code

Each also below /ping, and each with ?rid=UUID, which tells overlapping runs apart.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qs
from uuid import UUID

from tocsin.domain.heartbeats import ReportKind

_UUID: Final = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_PATH: Final = re.compile(f"(?:/ping)?/({_UUID})(?:/([a-z]+|[0-9]{{1,3}}))?/?")
_KINDS: Final = {
    None: ReportKind.SUCCESS,
    "start": ReportKind.START,
    "fail": ReportKind.FAILURE,
    "log": ReportKind.LOG,
}
_GREATEST_EXIT_CODE: Final = 255
_RUN_ID: Final = re.compile(_UUID)


class RunIdError(ValueError):
    """What is given as the id of a run is no UUID."""


@dataclass(frozen=True, slots=True)
class Address:
    """Whom a report is for, by the hash of the key, and what it says."""

    key_hash: bytes
    kind: ReportKind
    exit_code: int | None = None
    run_id: UUID | None = None


def address_of(path: str, query: str = "") -> Address | None:
    """Read a path and its query; None for a path that reports nothing. Raises RunIdError."""
    match = _PATH.fullmatch(path)
    return None if match is None else _address(UUID(match[1]), match[2], query)


def _address(key: UUID, action: str | None, query: str) -> Address | None:
    key_hash = sha256(key.bytes).digest()
    if action is not None and action.isdigit():
        code = int(action)
        kind = ReportKind.FAILURE if code else ReportKind.SUCCESS
        return Address(key_hash, kind, code, _run_id(query)) if code <= _GREATEST_EXIT_CODE else None
    return Address(key_hash, _KINDS[action], None, _run_id(query)) if action in _KINDS else None


def _run_id(query: str) -> UUID | None:
    given = parse_qs(query, keep_blank_values=True, max_num_fields=None).get("rid") if query else None
    if not given:
        return None
    if not _RUN_ID.fullmatch(given[0]):
        raise RunIdError("rid must be a UUID")
    return UUID(given[0])
