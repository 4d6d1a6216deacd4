"""The prober for SQL databases."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.kinds.sql.answers import Answer, SqlError
from probes.kinds.sql.mysql import MySqlSession
from probes.kinds.sql.postgres import PostgresSession
from probes.trace import Phase, Trace
from probes.wire.connection import ByteStream, Connection
from probes.wire.dialing import dial
from probes.wire.lines import shown
from probes.wire.starttls import upgrade
from probes.wire.tls import start_tls
from tocsin.domain.facts import Source
from tocsin.domain.observations import Reason
from tocsin.domain.targets.security import StartTls
from tocsin.domain.targets.sql import SqlDialect, SqlTarget

Session = PostgresSession | MySqlSession

_PORTS: Final[Mapping[SqlDialect, int]] = {SqlDialect.POSTGRESQL: 5432, SqlDialect.MYSQL: 3306}
_SUCCESS: Final = "00000"
# MariaDB tells where a query is wrong behind the first 120 characters.
_MOST_TOLD: Final = 300
# Classes and states of SQLSTATE; MySQL says some by a number of its own alone.
_REFUSED_LOGINS: Final = frozenset({"28000", "28P01"})
_READ_ONLY: Final = frozenset({"25006"})
_ENDED: Final = frozenset({"57014"})
_READ_ONLY_CODE: Final = 1792
_ENDED_CODES: Final = frozenset({1969, 3024})


async def probe_sql(target: SqlTarget, engine: Engine, trace: Trace) -> None:
    """Return if the database lets the account in and answers as expected. Raises ProbeFailure if it does not."""
    connection = await dial(target.host, target.port or _PORTS[target.dialect], engine, trace, target.ip_family)
    try:
        await _converse(target, connection, engine, trace)
    except SqlError as exc:
        trace.facts[Source.STATUS] = exc.state
        raise _failure(exc) from exc
    finally:
        connection.abort()


async def _converse(target: SqlTarget, connection: Connection, engine: Engine, trace: Trace) -> None:
    open_session = _open_postgres if target.dialect is SqlDialect.POSTGRESQL else _open_mysql
    session = await open_session(target, connection, engine, trace)
    trace.enter(Phase.PROCESSING)
    await session.log_in(target.user, target.password, target.database)
    answer = Answer() if target.query is None else await session.read(target.query, trace.remaining_seconds)
    # A server counts connections that just break.
    with suppress(OSError):
        session.close()
    trace.facts[Source.STATUS] = _SUCCESS
    trace.facts[Source.JSON] = answer.as_objects()
    trace.facts[Source.SIZE] = answer.size_bytes
    _judge(target, answer)


async def _open_postgres(target: SqlTarget, connection: ByteStream, engine: Engine, trace: Trace) -> Session:
    if target.tls is None:
        return PostgresSession(connection, secured=False)
    context = engine.tls_contexts.of(target.tls)
    name = target.tls.server_name or target.host
    return PostgresSession(await upgrade(StartTls.POSTGRES, connection, name, context, trace), secured=True)


async def _open_mysql(target: SqlTarget, connection: ByteStream, engine: Engine, trace: Trace) -> Session:
    trace.enter(Phase.PROCESSING)
    session = MySqlSession(connection)
    greeting = await session.greet()
    if target.tls is not None:
        if not greeting.offers_tls:
            raise ProbeFailure(Reason.TLS, "the server does not offer TLS")
        session.ask_for_tls()
        name = target.tls.server_name or target.host
        session.go_on_with(await start_tls(connection, name, engine.tls_contexts.of(target.tls), trace))
    return session


def _judge(target: SqlTarget, answer: Answer) -> None:
    rows = len(answer.rows)
    if target.expected_rows is not None and rows != target.expected_rows:
        raise ProbeFailure(Reason.ASSERTION, f"expected {target.expected_rows} rows, got {rows}")
    if target.expected_value is not None and answer.first_text != target.expected_value:
        raise ProbeFailure(
            Reason.ASSERTION, f"expected the value {_quoted(target.expected_value)}, got {_told(answer)}"
        )


def _told(answer: Answer) -> str:
    if not answer.rows:
        return "no row"
    return "NULL" if answer.first_text is None else _quoted(answer.first_text)


def _quoted(text: str) -> str:
    return f"'{shown(text.encode())}'"


def _failure(error: SqlError) -> ProbeFailure:
    said = f"{shown(error.message.encode(), _MOST_TOLD)} (SQLSTATE {shown(error.state.encode())})"
    if error.state in _REFUSED_LOGINS:
        return ProbeFailure(Reason.AUTHENTICATION, f"the login was refused: {said}")
    if error.state in _READ_ONLY or error.code == _READ_ONLY_CODE:
        return ProbeFailure(Reason.STATUS, f"the query writes, and a check only reads: {said}")
    if error.state in _ENDED or error.code in _ENDED_CODES:
        return ProbeFailure(Reason.TIMEOUT, f"the server ended the query at the check's timeout: {said}")
    return ProbeFailure(Reason.STATUS, f"the server refused: {said}")
