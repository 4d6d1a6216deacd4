"""Responses of GraphQL, and what is wrong with them."""

import re
from typing import Any, Final

import orjson

from probes.failures import ProbeFailure
from tocsin.domain.observations import Reason
from tocsin.domain.targets.graphql import GraphqlTarget

_CODE: Final = re.compile(r"[A-Za-z][0-9A-Za-z_-]{0,49}")
_MOST_CODES: Final = 5
# An object or a list takes up to 0.7 us to parse, a field of an object 0.4 us; nothing else is probed meanwhile.
MAX_OBJECTS: Final = 5_000
MAX_FIELDS: Final = 10_000


def read_object(content: bytes) -> dict[str, Any] | None:
    """The JSON object that the content is; None for anything else. Raises ProbeFailure with BODY_LIMIT.

    The limits count signs within texts as well, which is cheap; no usual response comes near.
    """
    if content.count(b"{") + content.count(b"[") > MAX_OBJECTS or content.count(b":") > MAX_FIELDS:
        raise ProbeFailure(Reason.BODY_LIMIT, f"the response holds more than {MAX_OBJECTS} objects and lists")
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def judge_response(response: dict[str, Any], target: GraphqlTarget) -> None:
    """Raise ProbeFailure with STATUS for errors, PROTOCOL for no response, ASSERTION for a field that is not there."""
    require_no_errors(response.get("errors"))
    data = response.get("data")
    if not isinstance(data, dict):
        raise ProbeFailure(Reason.PROTOCOL, "the response is no GraphQL response: it has neither data nor errors")
    missing = [path for path in target.expected_fields if _at(data, path) is None]
    if missing:
        raise ProbeFailure(Reason.ASSERTION, f"the data has no {', '.join(missing)}")


def require_no_errors(errors: object) -> None:
    """Their messages are not repeated, as they quote what was sent; their codes are."""
    if errors is None or errors == []:
        return
    if not isinstance(errors, list):
        raise ProbeFailure(Reason.PROTOCOL, "the response is no GraphQL response: its errors are no list")
    codes = list(dict.fromkeys(code for error in errors if (code := _code(error))))[:_MOST_CODES]
    count = "an error" if len(errors) == 1 else f"{len(errors)} errors"
    named = f": {', '.join(codes)}" if codes else ""
    raise ProbeFailure(Reason.STATUS, f"the response has {count}{named}")


def _code(error: object) -> str | None:
    extensions = error.get("extensions") if isinstance(error, dict) else None
    code = extensions.get("code") if isinstance(extensions, dict) else None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else None


def _at(data: object, path: str) -> object:
    """What the path leads to; None if nothing is there, or null."""
    for step in path.split("."):
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and step.isdecimal() and int(step) < len(data):
            data = data[int(step)]
        else:
            return None
    return data
