"""TCP ports of real servers."""

from datetime import timedelta

import pytest

from probes.engine import Engine
from probes.runner import probe
from tests.probes.examples import example_target
from tests.servers.dovecot import Dovecot
from tests.servers.exim import Exim
from tests.servers.postgres import Postgres
from tocsin.domain.observations import Outcome, Reason
from tocsin.domain.targets import parse_target
from tocsin.domain.targets.model import Target

SECONDS = timedelta(seconds=10)


@pytest.mark.parametrize(("name", "reason"), [("tcp-pass", None), ("tcp-fail", Reason.ASSERTION)])
async def test_an_example_ends_as_it_says(engine: Engine, exim: Exim, name: str, reason: Reason | None) -> None:
    where = {"host": "127.0.0.1", "port": exim.ports["tls"], "tls": {"ca": exim.credentials.ca}}
    observation = await probe(example_target(name, "tcp", **where), SECONDS, engine)
    assert observation.reason is reason


def secured(port: int, ca: str, protocol: str, *steps: dict[str, str]) -> Target:
    fields = {"host": "127.0.0.1", "port": port, "tls": {"ca": ca}, "starttls": protocol, "steps": steps}
    return parse_target("tcp", fields)


@pytest.mark.proves("tcp", "a real server")
@pytest.mark.proves("tcp", "STARTTLS")
async def test_mail_servers_are_talked_to_after_starttls(engine: Engine, exim: Exim, dovecot: Dovecot) -> None:
    ehlo = {"send": r"EHLO x\r\n", "expect": "AUTH PLAIN"}
    logout = {"send": r"a LOGOUT\r\n", "expect": "BYE"}
    stat = {"send": r"STAT\r\n", "expect": "-ERR"}
    for target in (
        secured(exim.ports["plain"], exim.credentials.ca, "SMTP", ehlo),
        secured(dovecot.ports["imap"], dovecot.credentials.ca, "IMAP", logout),
        secured(dovecot.ports["pop3"], dovecot.credentials.ca, "POP3", stat),
    ):
        observation = await probe(target, SECONDS, engine)
        assert (observation.outcome, observation.message) == (Outcome.SUCCESS, None)


async def test_postgresql_is_secured_in_its_own_words(engine: Engine, postgres: Postgres) -> None:
    observation = await probe(secured(postgres.port, postgres.credentials.ca, "POSTGRES"), SECONDS, engine)
    assert (observation.outcome, observation.tls_verified) == (Outcome.SUCCESS, True)
