"""Dovecot: IMAP and POP3, each with STARTTLS and over TLS; logins are refused in the clear."""

import grp
import os
import pwd

from tests.servers.credentials import PASSWORD, USER
from tests.servers.processes import ADDRESS, LoopbackServer
from tests.servers.programs import require_program

CONFIGURATION = """
base_dir = {data}/run
state_dir = {data}/state
log_path = {data}/dovecot.log
protocols = imap pop3
listen = {address}
default_internal_user = {account}
default_internal_group = {group}
default_login_user = {account}
first_valid_uid = 1
first_valid_gid = 0
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{certificate}
disable_plaintext_auth = yes
# Loopback is trusted otherwise, and logins in the clear are taken.
login_trusted_networks =
auth_mechanisms = plain login
auth_failure_delay = 0
mail_location = maildir:{data}/mail/%u
passdb {{
  driver = passwd-file
  args = {data}/users
}}
userdb {{
  driver = static
  args = uid={account} gid={group} home={data}/home
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
"""


class Dovecot(LoopbackServer):
    """As other servers, it takes loopback for secure: in the clear it logs in who comes from there."""

    name = "dovecot"
    listens = ("imap", "imaps", "pop3", "pop3s")

    def configure(self) -> None:
        self.write("users", f"{USER}:{{PLAIN}}{PASSWORD}\n")
        entry = pwd.getpwuid(self.account.uid or os.geteuid())
        values = {
            "data": self.data,
            "address": ADDRESS,
            "account": entry.pw_name,
            "group": grp.getgrgid(entry.pw_gid).gr_name,
            "certificate": self.credentials.certificate_file,
            **self.ports,
        }
        self.write("dovecot.conf", CONFIGURATION.format_map(values))

    def command(self) -> list[str]:
        return [str(require_program("dovecot")), "-F", "-c", str(self.data / "dovecot.conf")]
