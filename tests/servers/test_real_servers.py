"""Each server speaks its own protocol, and is gone when its block ends."""

import imaplib
import poplib
import smtplib
import socket
import urllib.request
from pathlib import Path

import asyncpg
import dns.message
import dns.query
import grpc
import pytest
import redis
from grpc_health.v1 import health_pb2, health_pb2_grpc
from websockets.sync.client import connect

from tests.servers.blackbox import BlackboxExporter
from tests.servers.credentials import PASSWORD, USER
from tests.servers.dovecot import Dovecot
from tests.servers.exim import Exim
from tests.servers.grpc_health import GrpcHealth
from tests.servers.mariadb import MariaDb
from tests.servers.mosquitto import Mosquitto
from tests.servers.nginx import Nginx
from tests.servers.postgres import Postgres
from tests.servers.processes import ADDRESS, accepts, running
from tests.servers.programs import find, require_program
from tests.servers.redis import Redis, Valkey
from tests.servers.unbound import Unbound
from tests.servers.websocket import WebSocketServer


def test_a_server_is_gone_when_its_block_ends() -> None:
    with running(Nginx) as server:
        assert accepts(server.ports["plain"])
    assert not accepts(server.ports["plain"])
    assert not Path(server.data).exists()


def test_a_missing_program_skips_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr("tests.servers.programs.find", lambda _: None)
    with pytest.raises(pytest.skip.Exception, match="make servers, or install nginx-light"):
        require_program("nginx")


def test_a_missing_program_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr("tests.servers.programs.find", lambda _: None)
    with pytest.raises(pytest.fail.Exception, match="make servers"):
        require_program("nginx")


def test_a_program_that_nobody_has_is_not_found() -> None:
    assert find("no-such-server") is None


def test_nginx_answers(nginx: Nginx) -> None:
    with urllib.request.urlopen(nginx.url("/", "https"), context=nginx.credentials.client_context()) as response:
        assert response.read() == b"hello\n"


async def test_postgres_answers_over_tls(postgres: Postgres) -> None:
    connection = await asyncpg.connect(
        host=ADDRESS,
        port=postgres.port,
        user="tls_only",
        password=PASSWORD,
        database="shop",
        ssl=postgres.credentials.client_context(),
    )
    assert await connection.fetchval("SELECT count(*) FROM orders") == 2
    await connection.close()


def test_mariadb_greets(mariadb: MariaDb) -> None:
    with socket.create_connection((ADDRESS, mariadb.port)) as client:
        assert b"MariaDB" in client.recv(1024)


def test_valkey_answers(valkey: Valkey) -> None:
    with redis.Redis(port=valkey.ports["plain"], username=USER, password=PASSWORD) as client:
        assert client.ping()


def test_redis_answers_over_tls(redis_server: Redis) -> None:
    ca = str(redis_server.credentials.ca_file)
    with redis.Redis(
        port=redis_server.ports["tls"], username=USER, password=PASSWORD, ssl=True, ssl_ca_certs=ca
    ) as client:
        assert client.ping()


def test_mosquitto_takes_connections(mosquitto: Mosquitto) -> None:
    connect_packet = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x0a\x00\x00"
    with socket.create_connection((ADDRESS, mosquitto.ports["open"])) as client:
        client.sendall(connect_packet)
        assert client.recv(4) == b"\x20\x02\x00\x00"


def test_exim_logs_in_after_starttls(exim: Exim) -> None:
    with smtplib.SMTP("localhost", exim.ports["plain"]) as client:
        client.starttls(context=exim.credentials.client_context())
        assert client.login(USER, PASSWORD)[0] == 235
        client.mail("")
        assert client.rcpt("known@example.test")[0] == 250
        assert client.rcpt("stranger@example.test")[0] == 550


def test_dovecot_logs_in_after_starttls(dovecot: Dovecot) -> None:
    with imaplib.IMAP4("localhost", dovecot.ports["imap"]) as client:
        client.starttls(dovecot.credentials.client_context())
        assert client.login(USER, PASSWORD)[0] == "OK"


def test_dovecot_speaks_pop3(dovecot: Dovecot) -> None:
    client = poplib.POP3("localhost", dovecot.ports["pop3"])
    client.stls(dovecot.credentials.client_context())
    client.user(USER)
    assert client.pass_(PASSWORD).startswith(b"+OK")
    client.quit()


def test_unbound_answers_over_tcp(unbound: Unbound) -> None:
    answer = dns.query.tcp(dns.message.make_query("example.test", "MX"), ADDRESS, 5, unbound.ports["plain"])
    assert "10 mail.example.test." in str(answer.answer[0])


def test_the_grpc_server_knows_its_services(grpc_health: GrpcHealth) -> None:
    with grpc.insecure_channel(f"{ADDRESS}:{grpc_health.ports['plain']}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(  # type: ignore[attr-defined]  # its types know nothing of methods
            health_pb2.HealthCheckRequest(service="shop.Broken")
        )
    assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING


def test_the_websocket_server_echoes(websocket_server: WebSocketServer) -> None:
    with connect(websocket_server.url()) as client:
        client.send("hello")
        assert client.recv() == "hello"


def test_blackbox_exporter_probes(blackbox_exporter: BlackboxExporter, nginx: Nginx) -> None:
    with urllib.request.urlopen(blackbox_exporter.url("http_2xx", nginx.url())) as response:
        assert b"probe_success 1" in response.read()
