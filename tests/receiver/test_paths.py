"""What a path reports."""

from hashlib import sha256
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.paths import Address, RunIdError, address_of
from tocsin.domain.heartbeats import ReportKind

KEY = UUID("5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278")
HASH = sha256(KEY.bytes).digest()
RUN = UUID(int=7)


@pytest.mark.parametrize(
    ("path", "kind", "exit_code"),
    [
        (f"/{KEY}", ReportKind.SUCCESS, None),
        (f"/{KEY}/", ReportKind.SUCCESS, None),
        (f"/ping/{KEY}", ReportKind.SUCCESS, None),
        (f"/{str(KEY).upper()}", ReportKind.SUCCESS, None),
        (f"/{KEY}/start", ReportKind.START, None),
        (f"/{KEY}/fail", ReportKind.FAILURE, None),
        (f"/ping/{KEY}/fail", ReportKind.FAILURE, None),
        (f"/{KEY}/log", ReportKind.LOG, None),
        (f"/{KEY}/0", ReportKind.SUCCESS, 0),
        (f"/{KEY}/1", ReportKind.FAILURE, 1),
        (f"/{KEY}/255", ReportKind.FAILURE, 255),
    ],
)
def test_a_path_says_what_is_reported(path: str, kind: ReportKind, exit_code: int | None) -> None:
    assert address_of(path) == Address(HASH, kind, exit_code)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/favicon.ico",
        "/metrics",
        f"/{KEY}/256",
        f"/{KEY}/-1",
        f"/{KEY}/stop",
        f"/{KEY}/start/1",
        f"/{KEY.hex}",
        f"//{KEY}",
        f"/ping/ping/{KEY}",
        f"/{KEY}\n",
        f"/{KEY}/\N{ARABIC-INDIC DIGIT ONE}",
        f"/my-slug/{KEY}",
    ],
)
def test_any_other_path_reports_nothing(path: str) -> None:
    assert address_of(path) is None


def test_a_run_is_named_in_the_query() -> None:
    assert address_of(f"/{KEY}/start", f"a=b&rid={RUN}") == Address(HASH, ReportKind.START, None, RUN)


@pytest.mark.parametrize("query", ["rid=", "rid=7", f"rid={RUN}x", "rid=%00"])
def test_a_run_that_is_no_uuid_is_refused(query: str) -> None:
    with pytest.raises(RunIdError, match="rid must be a UUID"):
        address_of(f"/{KEY}", query)


@given(st.text(), st.text(alphabet=st.characters(max_codepoint=255)))
def test_nothing_that_strangers_send_raises_anything_else(path: str, query: str) -> None:
    try:
        address_of(path, query)
        address_of(f"/{KEY}", query)
    except RunIdError:
        pass
