"""Unbound: DNS over UDP, TCP, TLS and HTTPS, with a zone of its own and no way out."""

from tests.servers.processes import ADDRESS, LoopbackServer
from tests.servers.programs import require_program

CONFIGURATION = """
server:
  username: ""
  chroot: ""
  directory: "{data}"
  pidfile: "{data}/unbound.pid"
  use-syslog: no
  logfile: ""
  interface: {address}@{plain}
  interface: {address}@{tls}
  interface: {address}@{https}
  tls-port: {tls}
  https-port: {https}
  tls-service-key: "{certificate}"
  tls-service-pem: "{certificate}"
  access-control: 127.0.0.0/8 allow
  module-config: "iterator"
  do-not-query-localhost: no
  local-zone: "." static
{zone}
remote-control:
  control-enable: no
"""
RECORDS = (
    "example.test. 300 SOA ns1.example.test. hostmaster.example.test. 2026112101 3600 600 604800 300",
    "example.test. 300 NS ns1.example.test.",
    "example.test. 300 NS ns2.example.test.",
    "example.test. 300 A 192.0.2.10",
    "example.test. 300 A 192.0.2.11",
    "example.test. 300 AAAA 2001:db8::10",
    "example.test. 300 MX 10 mail.example.test.",
    "example.test. 300 MX 20 backup.example.test.",
    'example.test. 60 TXT "v=spf1 -all"',
    'example.test. 300 CAA 0 issue "ca.example.test"',
    "_sip._tcp.example.test. 300 SRV 10 60 5060 sip.example.test.",
    "www.example.test. 120 CNAME example.test.",
    "10.2.0.192.in-addr.arpa. 300 PTR example.test.",
    "localhost.test. 300 A 127.0.0.1",
)


class Unbound(LoopbackServer):
    """Knows example.test with all types of records (RECORDS) and localhost.test; all else is NXDOMAIN."""

    name = "unbound"
    listens = ("plain", "tls", "https")

    def configure(self) -> None:
        zone = '  local-zone: "example.test." static\n' + "".join(f"  local-data: '{each}'\n" for each in RECORDS)
        certificate = self.credentials.certificate_file
        values = {"data": self.data, "address": ADDRESS, "certificate": certificate, "zone": zone, **self.ports}
        self.write("unbound.conf", CONFIGURATION.format_map(values))

    def command(self) -> list[str]:
        return [str(require_program("unbound")), "-d", "-p", "-c", str(self.data / "unbound.conf")]
