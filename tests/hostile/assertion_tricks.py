"""What an answer may do to who compares it with what is expected."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.hostile.http_tricks import OK
from tests.hostile.tricks import ADDRESS, PORT, Talk, Trick, only, says
from tocsin.domain.observations import Reason

# Doubles with each level of nesting.
DOUBLING: Final = json.dumps(
    {
        "$defs": {"n": {"anyOf": [{"minItems": 1, "items": {"$ref": "#/$defs/n"}}] * 2}},
        "$ref": "#/$defs/n",
    }
)
DEEP: Final = b"[" * 400_000 + b"]" * 400_000
NESTED: Final = b"[" * 60 + b"]" * 60
WIDE: Final = b"[" + b"[]," * 300_000 + b"[]]"
LONG: Final = b'"' + b"a" * 900_000 + b'!"'
NUMBER: Final = b'{"a": 1e308, "b": ' + b"9" * 400_000 + b"}"
KEYS: Final = b"{" + b",".join(b'"%d":%d' % (number, number) for number in range(60_000)) + b"}"
ANSWERS: Final = {
    "JSON 400,000 deep": (DEEP, [{"path": "$..a", "operator": "EXISTS"}]),
    "many arrays, searched at all levels": (WIDE, [{"path": "$..*..*..*", "operator": "EQUALS", "value": "1"}]),
    "many keys, filtered": (KEYS, [{"path": "$[?@ == $['59999']]", "operator": "EQUALS", "value": "1"}]),
    "a schema that doubles": (NESTED, [{"path": "$", "operator": "MATCHES_SCHEMA", "value": DOUBLING}]),
    "a pattern that backtracks": (LONG, [{"path": "$", "operator": "MATCHES", "value": "(a+)+(a+)+b$"}]),
    "numbers without end": (NUMBER, [{"path": "$.b", "operator": "LESS", "value": "1"}]),
}


def asserted(assertions: Sequence[Mapping[str, str]]) -> Mapping[str, Any]:
    about = [{"source": "JSON", **assertion} for assertion in assertions]
    return {"url": f"http://{ADDRESS}:{PORT}/", "assertions": about}


def answers(body: bytes) -> Talk:
    return says(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)


_FAILED = only(Reason.ASSERTION, Reason.BODY_LIMIT)
TRICKS: Final = (
    *(
        Trick(f"assertions: {name}", "http", asserted(assertions), _FAILED, answers(body), timeout_seconds=8)
        for name, (body, assertions) in ANSWERS.items()
    ),
    Trick(
        "assertions: CEL over 60,000 keys",
        "http",
        {
            "url": f"http://{ADDRESS}:{PORT}/",
            "conditions": [{"expression": "json.all(a, json.all(b, json[a] + json[b] < 0))"}],
        },
        _FAILED,
        answers(KEYS),
        timeout_seconds=8,
    ),
)
