"""What SQL and Redis targets take, and what they refuse."""

from typing import Any

import pytest
from pydantic import ValidationError

from tocsin.domain.targets import parse_target, target_problems

SQL = {"dialect": "POSTGRESQL", "host": "db.example.com", "user": "probe"}
REDIS = {"host": "cache.example.com"}
_NUL = "must not contain the character NUL; leave it out"
_INVISIBLE = "must not contain spaces or control characters; leave them out"


def refusals(kind: str, fields: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as refused:
        parse_target(kind, fields)
    return [(str(problem.path[-1]), problem.message) for problem in target_problems(kind, refused.value)]


def test_a_login_alone_is_a_check() -> None:
    parse_target("sql", SQL)
    parse_target("redis", REDIS)


@pytest.mark.parametrize("field", ["expected_rows", "expected_value"])
def test_what_is_expected_of_an_answer_needs_a_query(field: str) -> None:
    value = {"expected_rows": 1, "expected_value": "1"}[field]
    assert refusals("sql", SQL | {field: value}) == [(field, "needs a query whose answer it is about; give one")]
    parse_target("sql", SQL | {"query": "SELECT 1", field: value})


@pytest.mark.parametrize("field", ["user", "password", "database", "query"])
def test_no_text_of_a_database_holds_the_character_that_ends_it(field: str) -> None:
    assert refusals("sql", SQL | {field: "a\0b"}) == [(field, _NUL)]


@pytest.mark.parametrize("rows", [-1, 1001, True, "1"])
def test_rows_are_counted_within_what_is_read(rows: object) -> None:
    [(field, _)] = refusals("sql", SQL | {"query": "SELECT 1", "expected_rows": rows})
    assert field == "expected_rows"


@pytest.mark.parametrize(("field", "text"), [("key_prefix", "a b"), ("key_prefix", "a\r\n"), ("user", "a b")])
def test_keys_and_accounts_of_redis_are_visible_characters(field: str, text: str) -> None:
    assert refusals("redis", REDIS | {field: text}) == [(field, _INVISIBLE)]


def test_an_account_of_redis_logs_in_with_its_password() -> None:
    message = "is missing, and without it nobody logs in; give it, or leave out user"
    assert refusals("redis", REDIS | {"user": "probe"}) == [("password", message)]
    parse_target("redis", REDIS | {"user": "probe", "password": "placeholder"})
    parse_target("redis", REDIS | {"user": "default"})


@pytest.mark.parametrize("database", [-1, 65_536, True])
def test_a_database_of_redis_is_a_number(database: object) -> None:
    [(field, _)] = refusals("redis", REDIS | {"database": database})
    assert field == "database"


def test_a_refused_password_is_not_repeated() -> None:
    assert "s3cret" not in str(refusals("sql", SQL | {"password": "s3cret\0"}))
