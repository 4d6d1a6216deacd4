"""Where a worker probes from, and what tells it that its own network works."""

import pytest

from tocsin.settings import SettingsError, Worker, read_settings

SERVERS = {"TOCSIN_DATABASE_URL": "postgresql://u:p@localhost/d", "TOCSIN_REDIS_URL": "redis://localhost"}


def worker(**environment: str) -> Worker:
    return read_settings({**SERVERS, **environment}).worker


def test_a_worker_belongs_to_the_default_location_and_has_no_canaries() -> None:
    assert (worker().location, worker().canaries) == ("default", ())


def test_a_worker_is_told_its_location_and_canaries() -> None:
    told = worker(TOCSIN_LOCATION="eu-west", TOCSIN_CANARIES="https://example.com,192.0.2.1:53")
    assert told.location == "eu-west"
    assert [canary.kind for canary in told.canaries] == ["http", "tcp"]


@pytest.mark.parametrize("name", ["Europe", "eu west", "-eu", "e" * 64])
def test_a_location_that_checks_could_not_name_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="TOCSIN_LOCATION must have up to 63 lower-case letters"):
        worker(TOCSIN_LOCATION=name)


def test_what_is_no_canary_is_refused_without_repeating_it() -> None:
    with pytest.raises(SettingsError, match="TOCSIN_CANARIES must list addresses") as refusal:
        worker(TOCSIN_CANARIES="https://user:secret@example.com")
    assert "secret" not in str(refusal.value)
