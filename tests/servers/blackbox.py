"""blackbox_exporter, which probes what it is asked for."""

from urllib.parse import urlencode

from tests.servers.processes import ADDRESS, LoopbackServer
from tests.servers.programs import require_program

CONFIGURATION = """
modules:
  http_2xx: {{prober: http, timeout: 5s, http: {{preferred_ip_protocol: ip4, tls_config: {{ca_file: {ca}}}}}}}
  tcp_connect: {{prober: tcp, timeout: 5s, tcp: {{preferred_ip_protocol: ip4}}}}
  grpc: {{prober: grpc, timeout: 5s, grpc: {{preferred_ip_protocol: ip4}}}}
  icmp: {{prober: icmp, timeout: 5s, icmp: {{preferred_ip_protocol: ip4}}}}
  dns: {{prober: dns, timeout: 5s, dns: {{preferred_ip_protocol: ip4, query_name: example.test, query_type: A}}}}
"""


class BlackboxExporter(LoopbackServer):
    """Its modules are http_2xx, tcp_connect, grpc, icmp and dns, which asks for example.test.

    http_2xx trusts its credentials' authority.
    """

    name = "prometheus-blackbox-exporter"
    # As root it may send ICMP, where other accounts may not.
    keeps_account = True

    def configure(self) -> None:
        self.trust(str(self.credentials.ca_file))

    def trust(self, ca_file: str) -> None:
        self.write("blackbox.yml", CONFIGURATION.format(ca=ca_file))

    def command(self) -> list[str]:
        program = str(require_program(self.name))
        listen = f"--web.listen-address={ADDRESS}:{self.ports['plain']}"
        return [program, f"--config.file={self.data / 'blackbox.yml'}", listen]

    def url(self, module: str, target: str) -> str:
        """Where it probes the target when asked, and says what it saw."""
        return f"http://{ADDRESS}:{self.ports['plain']}/probe?{urlencode({'module': module, 'target': target})}"
