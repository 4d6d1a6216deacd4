"""Mosquitto: MQTT with and without a login, and over TLS."""

import subprocess

from tests.servers.credentials import PASSWORD, USER
from tests.servers.processes import ADDRESS, LoopbackServer
from tests.servers.programs import require_program

CONFIGURATION = """
per_listener_settings true
log_dest stderr
persistence false
listener {open} {address}
allow_anonymous true
listener {plain} {address}
allow_anonymous false
password_file {data}/users
acl_file {data}/rights
listener {tls} {address}
allow_anonymous false
password_file {data}/users
acl_file {data}/rights
cafile {ca}
certfile {certificate}
keyfile {certificate}
"""
# Everything but `refused/#`, which neither delivers nor refuses what is published: MQTT 3 has no word for it.
RIGHTS = f"user {USER}\ntopic readwrite tocsin/#\ntopic readwrite checks/#\n"


class Mosquitto(LoopbackServer):
    """Port `open` takes everybody; `plain` and `tls` want the login, which may use topics under checks/ and tocsin/."""

    name = "mosquitto"
    listens = ("open", "plain", "tls")

    def configure(self) -> None:
        users = self.write("users", f"{USER}:{PASSWORD}\n")
        subprocess.run([require_program("mosquitto_passwd"), "-U", users], check=True)
        users.chmod(0o644)
        self.write("rights", RIGHTS)
        certificate, ca = self.credentials.certificate_file, self.credentials.ca_file
        values = {"data": self.data, "address": ADDRESS, "certificate": certificate, "ca": ca, **self.ports}
        self.write("mosquitto.conf", CONFIGURATION.format_map(values))

    def command(self) -> list[str]:
        return [str(require_program("mosquitto")), "-c", str(self.data / "mosquitto.conf")]
