"""Exim: SMTP with STARTTLS and over TLS, with logins and recipients, of which it delivers to none."""

import os

from tests.servers.credentials import PASSWORD, USER
from tests.servers.processes import ADDRESS, LoopbackServer
from tests.servers.programs import require_program
from tocsin.embedded.accounts import Account, choose_account

CONFIGURATION = """
primary_hostname = mail.example.test
spool_directory = {data}/spool
log_file_path = {data}/spool/%s.log
pid_file_path = {data}/spool/exim.pid
never_users =
keep_environment =
smtp_enforce_sync = true
tls_advertise_hosts = *
tls_certificate = {certificate}
tls_privatekey = {certificate}
tls_on_connect_ports = {tls}
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
acl_smtp_rcpt = recipients
acl_smtp_data = refused
begin acl
recipients:
  accept recipients = known@example.test
  defer recipients = busy@example.test
    message = greylisted, try again
  accept authenticated = *
    domains = elsewhere.test
  deny message = no such mailbox
refused:
  deny message = nothing is delivered here
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{user}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if and{{{{eq{{$auth1}}{{{user}}}}}{{eq{{$auth2}}{{{password}}}}}}}}}
  server_set_id = $auth1
"""


class Exim(LoopbackServer):
    """Logins are offered over TLS alone. known@example.test is accepted, busy@ is deferred, others are refused;
    who is logged in may also write to anybody@elsewhere.test.
    """

    name = "exim4"
    listens = ("plain", "tls")
    keeps_account = True

    def configure(self) -> None:
        account = choose_account(self.data)
        self.data.chmod(0o711)
        account.own(self.data / "spool")
        values = {"data": self.data, "certificate": self.credentials.certificate_file, "tls": self.ports["tls"]}
        login = {"user": USER, "password": PASSWORD}
        self.write("exim.conf", _rights(account) + CONFIGURATION.format_map(values | login))

    def command(self) -> list[str]:
        ports = "; ".join(f"[{ADDRESS}]:{port}" for port in self.ports.values())
        return [str(require_program("exim4")), "-C", str(self.data / "exim.conf"), "-bdf", "-oX", f"<; {ports}"]


def _rights(account: Account) -> str:
    """Root's Exim becomes another account by itself; a user's stays what it is, and must be told who may start it."""
    if account.uid is None:
        return f"admin_groups = {os.getgid()}\n"
    return f"exim_user = {account.uid}\nexim_group = {account.gid}\n"
