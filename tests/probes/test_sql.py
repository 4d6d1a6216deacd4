"""SQL checks against a real PostgreSQL and a real MariaDB."""

from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import asyncpg
import pytest

from probes.egress import EgressPolicy
from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.kinds.sql.prober import probe_sql
from probes.runner import probe
from probes.trace import Trace
from tests.hostile.database_tricks import GREETING, packet
from tests.probes.examples import example_target
from tests.probes.serving import Serve
from tests.servers.credentials import PASSWORD, USER
from tests.servers.mariadb import MariaDb
from tests.servers.postgres import Postgres
from tests.servers.processes import ADDRESS
from tocsin.domain.facts import Source
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets.sql import SqlDialect, SqlTarget

Run = Callable[..., Awaitable[Observation]]
ORDERS = "SELECT id, state, total, note FROM orders ORDER BY id"
ROWS = [
    {"id": 1, "state": "paid", "total": 10.5, "note": None},
    {"id": 2, "state": "open", "total": 3.0, "note": "ring twice"},
]


def target_of(server: Postgres | MariaDb, *, secured: bool = False, **fields: Any) -> SqlTarget:
    """An account of the server and its database `shop`, unless the fields say otherwise."""
    dialect = "POSTGRESQL" if isinstance(server, Postgres) else "MYSQL"
    place = {"dialect": dialect, "host": ADDRESS, "port": server.port, "database": "shop"}
    tls = {"tls": {"ca": server.credentials.ca}} if secured else {}
    return SqlTarget.model_validate(place | {"user": USER, "password": PASSWORD} | tls | fields)


@pytest.fixture
def on_postgres(engine: Engine, postgres: Postgres) -> Run:
    async def run(timeout_seconds: float = 5, *, secured: bool = False, **fields: Any) -> Observation:
        return await probe(target_of(postgres, secured=secured, **fields), timedelta(seconds=timeout_seconds), engine)

    return run


@pytest.fixture
def on_mariadb(engine: Engine, mariadb: MariaDb) -> Run:
    async def run(timeout_seconds: float = 5, *, secured: bool = False, **fields: Any) -> Observation:
        return await probe(target_of(mariadb, secured=secured, **fields), timedelta(seconds=timeout_seconds), engine)

    return run


async def facts_of(target: SqlTarget, engine: Engine) -> dict[Source, Any]:
    trace = Trace(timedelta(seconds=5))
    await probe_sql(target, engine, trace)
    return trace.facts


@pytest.mark.proves("sql", "PostgreSQL a real server")
@pytest.mark.proves("sql", "PostgreSQL login")
@pytest.mark.parametrize("user", [USER, pytest.param("old", id="md5")])
async def test_postgres_lets_an_account_in(on_postgres: Run, user: str) -> None:
    observation = await on_postgres(user=user)
    assert (observation.outcome, observation.message) == (Outcome.SUCCESS, None)


async def test_postgres_refuses_a_wrong_password(on_postgres: Run) -> None:
    observation = await on_postgres(password="wrong")
    assert observation.reason is Reason.AUTHENTICATION
    assert "SQLSTATE 28P01" in str(observation.message)


async def test_no_password_is_sent_in_the_clear(on_postgres: Run) -> None:
    observation = await on_postgres(user="clear")
    assert observation.reason is Reason.AUTHENTICATION
    assert "give tls" in str(observation.message)


@pytest.mark.proves("sql", "PostgreSQL TLS")
@pytest.mark.parametrize("user", ["tls_only", "clear"])
async def test_postgres_is_spoken_to_over_tls(on_postgres: Run, user: str) -> None:
    observation = await on_postgres(user=user, secured=True)
    assert (observation.outcome, observation.message) == (Outcome.SUCCESS, None)
    assert (observation.tls_version, observation.tls_verified) == ("TLSv1.3", True)


@pytest.mark.proves("sql", "PostgreSQL query")
async def test_postgres_answers_with_rows(engine: Engine, postgres: Postgres) -> None:
    facts = await facts_of(target_of(postgres, query=ORDERS), engine)
    assert facts == {Source.STATUS: "00000", Source.JSON: ROWS, Source.SIZE: 29}


@pytest.mark.proves("sql", "PostgreSQL expected rows")
@pytest.mark.proves("sql", "PostgreSQL expected value")
@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"expected_rows": 2, "expected_value": "1"}, None),
        ({"expected_rows": 3}, "expected 3 rows, got 2"),
        ({"expected_value": "2"}, "expected the value '2', got '1'"),
    ],
)
async def test_postgres_answers_as_expected(on_postgres: Run, expected: dict[str, Any], message: str | None) -> None:
    observation = await on_postgres(query=ORDERS, **expected)
    assert (observation.reason, observation.message) == (Reason.ASSERTION if message else None, message)


@pytest.mark.proves("sql", "PostgreSQL read-only")
@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM orders",
        "CREATE TABLE more (id int)",
        "WITH gone AS (DELETE FROM orders RETURNING id) SELECT id FROM gone",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "COMMIT; DELETE FROM orders",
    ],
)
async def test_nothing_is_written_to_postgres(on_postgres: Run, postgres: Postgres, query: str) -> None:
    observation = await on_postgres(query=query)
    assert observation.reason is Reason.STATUS
    assert (await on_postgres(query=ORDERS, expected_rows=2)).outcome is Outcome.SUCCESS


@pytest.mark.proves("sql", "PostgreSQL time limit")
async def test_postgres_itself_ends_a_query_at_the_timeout(on_postgres: Run, postgres: Postgres) -> None:
    observation = await on_postgres(timeout_seconds=0.5, query="SELECT pg_sleep(60)")
    assert observation.reason is Reason.TIMEOUT
    connection = await asyncpg.connect(
        host=ADDRESS, port=postgres.port, user=USER, password=PASSWORD, database="shop", ssl=False
    )
    for _ in range(50):
        left = await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'")
        if not left:
            break
        await connection.execute("SELECT pg_stat_clear_snapshot(), pg_sleep(0.1)")
    await connection.close()
    assert left == 0


@pytest.mark.parametrize("query", ["SELECT generate_series(1, 1000000)", "SELECT repeat('x', 300 * 1024)"])
async def test_an_answer_of_postgres_is_bounded(on_postgres: Run, query: str) -> None:
    assert (await on_postgres(query=query)).reason is Reason.BODY_LIMIT


async def test_a_query_that_copies_is_refused(on_postgres: Run) -> None:
    observation = await on_postgres(query="COPY orders TO STDOUT")
    assert (observation.reason, observation.message) == (
        Reason.STATUS,
        "the query copies data; give one that selects rows",
    )


async def test_an_error_of_the_query_says_its_state(on_postgres: Run) -> None:
    observation = await on_postgres(query="SELECT * FROM nothing")
    assert (observation.reason, observation.message) == (
        Reason.STATUS,
        'the server refused: relation "nothing" does not exist (SQLSTATE 42P01)',
    )


async def test_a_database_that_is_not_there_is_told(on_postgres: Run) -> None:
    observation = await on_postgres(database="nothing")
    assert (observation.reason, "3D000" in str(observation.message)) == (Reason.STATUS, True)


async def test_types_of_postgres_are_those_of_json(engine: Engine, postgres: Postgres) -> None:
    query = """SELECT true AS yes, 1.5::float8 AS f, 'NaN'::float8 AS nan, '{"a": [1]}'::jsonb AS j, '[1]'::text AS t"""
    facts = await facts_of(target_of(postgres, query=query), engine)
    assert facts[Source.JSON] == [{"yes": True, "f": 1.5, "nan": "NaN", "j": {"a": [1]}, "t": "[1]"}]


@pytest.mark.proves("sql", "MySQL a real server")
@pytest.mark.proves("sql", "MySQL login")
async def test_mariadb_lets_an_account_in(on_mariadb: Run) -> None:
    observation = await on_mariadb()
    assert (observation.outcome, observation.message) == (Outcome.SUCCESS, None)


async def test_mariadb_tells_where_a_query_is_wrong(on_mariadb: Run) -> None:
    message = str((await on_mariadb(query="SELEC 1")).message)
    assert message.endswith("near 'SELEC 1' at line 1 (SQLSTATE 42000)")


async def test_mariadb_refuses_a_wrong_password(on_mariadb: Run) -> None:
    observation = await on_mariadb(password="wrong")
    assert observation.reason is Reason.AUTHENTICATION


@pytest.mark.proves("sql", "MySQL TLS")
async def test_mariadb_is_spoken_to_over_tls(on_mariadb: Run) -> None:
    assert (await on_mariadb(user="tls_only")).reason is Reason.AUTHENTICATION
    observation = await on_mariadb(user="tls_only", secured=True)
    assert (observation.outcome, observation.message) == (Outcome.SUCCESS, None)
    assert (observation.tls_version, observation.tls_verified) == ("TLSv1.3", True)


@pytest.mark.proves("sql", "MySQL query")
async def test_mariadb_answers_with_rows(engine: Engine, mariadb: MariaDb) -> None:
    facts = await facts_of(target_of(mariadb, query=ORDERS), engine)
    assert facts == {Source.STATUS: "00000", Source.JSON: ROWS, Source.SIZE: 29}


@pytest.mark.proves("sql", "MySQL expected rows")
@pytest.mark.proves("sql", "MySQL expected value")
@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"expected_rows": 2, "expected_value": "1"}, None),
        ({"expected_rows": 3}, "expected 3 rows, got 2"),
        ({"expected_value": "2"}, "expected the value '2', got '1'"),
    ],
)
async def test_mariadb_answers_as_expected(on_mariadb: Run, expected: dict[str, Any], message: str | None) -> None:
    observation = await on_mariadb(query=ORDERS, **expected)
    assert (observation.reason, observation.message) == (Reason.ASSERTION if message else None, message)


@pytest.mark.proves("sql", "MySQL read-only")
@pytest.mark.parametrize(
    "query", ["DELETE FROM orders", "CREATE TABLE more (id int)", "DROP TABLE orders", "COMMIT; DELETE FROM orders"]
)
async def test_nothing_is_written_to_mariadb(on_mariadb: Run, query: str) -> None:
    assert (await on_mariadb(query=query)).reason is Reason.STATUS
    assert (await on_mariadb(query=ORDERS, expected_rows=2)).outcome is Outcome.SUCCESS


@pytest.mark.proves("sql", "MySQL time limit")
async def test_mariadb_itself_ends_a_query_at_the_timeout(on_mariadb: Run) -> None:
    observation = await on_mariadb(timeout_seconds=0.5, query="SELECT id, SLEEP(60) FROM orders")
    assert observation.reason is Reason.TIMEOUT


async def test_an_answer_of_mariadb_is_bounded(on_mariadb: Run) -> None:
    assert (await on_mariadb(query="SELECT REPEAT('x', 300 * 1024)")).reason is Reason.BODY_LIMIT
    assert (await on_mariadb(query="SELECT seq FROM seq_1_to_5000")).reason is Reason.BODY_LIMIT


async def test_an_error_of_mariadb_says_its_state(on_mariadb: Run) -> None:
    observation = await on_mariadb(query="SELECT * FROM nothing")
    assert (observation.reason, "42S02" in str(observation.message)) == (Reason.STATUS, True)


async def test_a_password_is_in_no_message(on_postgres: Run, on_mariadb: Run) -> None:
    for run in (on_postgres, on_mariadb):
        assert "wr0ng" not in str(await run(password="wr0ng"))


async def test_a_database_of_another_dialect_is_told_apart(
    engine: Engine, postgres: Postgres, mariadb: MariaDb
) -> None:
    mixed = target_of(mariadb).model_copy(update={"port": postgres.port})
    observation = await probe(mixed, timedelta(seconds=1), engine)
    assert observation.reason is Reason.TIMEOUT
    mixed = target_of(postgres).model_copy(update={"port": mariadb.port})
    observation = await probe(mixed, timedelta(seconds=5), engine)
    assert observation.reason is Reason.PROTOCOL


async def test_the_examples_pass_and_fail(engine: Engine, postgres: Postgres, mariadb: MariaDb) -> None:
    good = example_target("sql-pass", "sql", port=postgres.port, password=PASSWORD)
    assert (await probe(good, timedelta(seconds=5), engine)).outcome is Outcome.SUCCESS
    bad = example_target("sql-fail", "sql", port=mariadb.port, password=PASSWORD)
    observation = await probe(bad, timedelta(seconds=5), engine)
    assert observation.reason is Reason.STATUS
    assert str(observation.message).startswith("the query writes, and a check only reads")


async def test_a_failure_before_the_login_is_of_its_own_phase(engine: Engine, unused_port: int) -> None:
    target = SqlTarget.model_validate({"dialect": "MYSQL", "host": ADDRESS, "port": unused_port, "user": "a"})
    with pytest.raises(ProbeFailure) as failure:
        await probe_sql(target, engine, Trace(timedelta(seconds=5)))
    assert failure.value.reason is Reason.CONNECT


async def test_mysqls_own_login_is_proven_without_the_password(engine: Engine, serve: Serve) -> None:
    """By what MySQL keeps, which is the password hashed twice: caching_sha2_password, as its manual has it."""
    salt, kept = b"saltsalt" + b"saltsaltsalt", sha256(sha256(PASSWORD.encode()).digest()).digest()

    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(GREETING)
        said = await reader.read(65_536)
        proof = said.partition(USER.encode() + b"\0\x20")[2][:32]
        once = bytes(a ^ b for a, b in zip(proof, sha256(kept + salt).digest(), strict=True))
        right = sha256(once).digest() == kept
        writer.write(packet(b"\1\3", 2) + packet(b"\0\0\0\2\0\0\0", 3) if right else packet(b"\xff\x15\x04#28000no", 2))
        await reader.read()

    place = {"dialect": "MYSQL", "host": ADDRESS, "port": await serve(talk), "user": USER}
    target = SqlTarget.model_validate(place | {"password": PASSWORD})
    assert (await probe(target, timedelta(seconds=5), engine)).outcome is Outcome.SUCCESS
    wrong = SqlTarget.model_validate(place | {"password": "wrong"})
    assert (await probe(wrong, timedelta(seconds=5), engine)).reason is Reason.AUTHENTICATION


async def test_a_login_that_is_not_known_names_those_that_are(engine: Engine, serve: Serve) -> None:
    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(GREETING)
        await reader.read(65_536)
        writer.write(packet(b"\xfeclient_ed25519\0" + b"s" * 32, 2))
        await reader.read()

    target = SqlTarget(dialect=SqlDialect.MYSQL, host=ADDRESS, port=await serve(talk), user=USER, password=PASSWORD)
    observation = await probe(target, timedelta(seconds=5), engine)
    assert observation.reason is Reason.AUTHENTICATION
    assert str(observation.message).startswith("the server wants a login by client_ed25519; give the account mysql_")


async def test_the_databases_of_the_platform_itself_are_never_probed(engine: Engine, postgres: Postgres) -> None:
    own = replace(engine, policy=EgressPolicy(allow_private=True, refused=frozenset({(ADDRESS, postgres.port)})))
    observation = await probe(target_of(postgres), timedelta(seconds=5), own)
    assert observation.reason is Reason.TARGET_BLOCKED
