"""The programs of real servers: where each is, and which Debian package brings it."""

import os
import shutil
from pathlib import Path

import pytest

PACKAGES = {
    "nginx": "nginx-light",
    "mariadbd": "mariadb-server-core",
    "mosquitto": "mosquitto",
    "dovecot": "dovecot-imapd",
    "exim4": "exim4-daemon-light",
    "unbound": "unbound",
    "memcached": "memcached",
    "mosquitto_passwd": "mosquitto",
    "mosquitto_pub": "mosquitto-clients",
    "redis-server": "redis-server",
    "postgres": "postgresql",
    "initdb": "postgresql",
    "prometheus-blackbox-exporter": "prometheus-blackbox-exporter",
}
# What a program cannot do without, beside its own package.
COMPANIONS = {"dovecot": ("dovecot-pop3d",)}
# Daemons are where only root's PATH leads, and PostgreSQL's where none does.
SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin")
POSTGRES_FOLDERS = "usr/lib/postgresql/*/bin"


def find(name: str) -> Path | None:
    versions = sorted(map(str, Path("/").glob(POSTGRES_FOLDERS)))
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *SYSTEM_FOLDERS, *versions))
    found = shutil.which(name, path=path)
    return Path(found) if found else None


def require_program(name: str) -> Path:
    """Where the program is. Without it, tests skip at home and fail in CI."""
    if path := find(name):
        return path
    reason = f"{name} is not there: make servers, or install {PACKAGES[name]}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
