"""`tocsin secrets rotate`, and what `tocsin doctor` says of keys that are missing."""

import asyncio
from base64 import b64encode

import asyncpg
import pytest

from tests.cli.conftest import Run, execute
from tocsin.encryption import KeyRing, secret_place

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
REFERENCE = "api-token/value"
ROWS = """
INSERT INTO organizations (id, name) VALUES (1, 'one');
INSERT INTO sites (id, organization_id, name) VALUES (1, 1, 'site');
INSERT INTO checks (id, organization_id, site_id, name, kind, target, interval_seconds, timeout_ms, failure_threshold,
                    success_threshold) VALUES (7, 1, 1, 'front', 'http', '{}', 60, 1000, 3, 2);
INSERT INTO check_secrets VALUES (7, 1, 'api-token/value', 'uid/1', '\\x%s');
"""


def variable(**keys: bytes) -> dict[str, str]:
    return {"TOCSIN_ENCRYPTION_KEYS": ",".join(f"{name}:{b64encode(key).decode()}" for name, key in keys.items())}


@pytest.fixture
def stored(database_url: str) -> None:
    """A secret that is encrypted with the old key."""
    sealed = KeyRing({"k1": OLD}).seal("swordfish", secret_place(1, 7, REFERENCE))
    execute(database_url, ROWS % sealed.hex())


def opened(database_url: str, keys: KeyRing) -> str:
    async def read() -> bytes:
        connection = await asyncpg.connect(database_url)
        try:
            sealed: bytes = await connection.fetchval("SELECT sealed FROM check_secrets")
        finally:
            await connection.close()
        return sealed

    return keys.open(asyncio.run(read()), secret_place(1, 7, REFERENCE))


def finding(output: str) -> str:
    return next(line for line in output.splitlines() if line[9:].startswith("secrets"))


@pytest.mark.usefixtures("stored")
def test_secrets_are_encrypted_anew_with_the_first_key_once(installed: Run, database_url: str) -> None:
    both = variable(k2=NEW, k1=OLD)
    assert installed("secrets", "rotate", **both).stdout == "encrypted anew with the key k2: 1\n"
    assert installed("secrets", "rotate", **both).stdout == "encrypted anew with the key k2: 0\n"
    assert opened(database_url, KeyRing({"k2": NEW})) == "swordfish"


@pytest.mark.usefixtures("stored")
def test_what_cannot_be_decrypted_is_named_and_left(installed: Run, database_url: str) -> None:
    done = installed("secrets", "rotate", **variable(k2=NEW))
    assert done.exit_code == 1
    assert done.stderr == (
        f"tocsin: the secret {REFERENCE} of check 7 is left as it was: "
        "the key k1 is not among TOCSIN_ENCRYPTION_KEYS; add it again\n"
    )
    assert opened(database_url, KeyRing({"k1": OLD})) == "swordfish"


def test_without_a_key_nothing_is_rotated_and_the_remedy_said(installed: Run) -> None:
    done = installed("secrets", "rotate", TOCSIN_ENCRYPTION_KEYS="")
    assert done.exit_code == 1
    assert done.stderr.startswith("tocsin: TOCSIN_ENCRYPTION_KEYS is not set; set it to an id and a key")


def test_wrong_keys_are_refused_and_not_shown(installed: Run) -> None:
    done = installed("secrets", "rotate", TOCSIN_ENCRYPTION_KEYS="k1:swordfish")
    assert done.exit_code == 2
    assert "`openssl rand -base64 32`" in done.stderr
    assert "swordfish" not in done.output


@pytest.mark.usefixtures("stored")
def test_the_doctor_says_which_key_is_missing(installed: Run) -> None:
    done = installed("doctor", **variable(k2=NEW))
    assert done.exit_code == 1
    assert finding(done.stdout).startswith(
        "WRONG    secrets     some are encrypted with k1, which TOCSIN_ENCRYPTION_KE"
    )
    assert finding(installed("doctor", **variable(k2=NEW, k1=OLD)).stdout).startswith("ok")
