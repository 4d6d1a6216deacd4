"""etcd, as a gRPC server written in Go: grpc-go's health service stands on the port of its clients."""

from tests.kubernetes.programs import installed
from tests.servers.processes import ADDRESS, LoopbackServer


class Etcd(LoopbackServer):
    """Ports `plain` and `peers`. The server as a whole is serving, and knows no service by name."""

    name = "etcd"
    listens = ("plain", "peers")
    keeps_account = True

    def command(self) -> list[str]:
        clients, peers = (f"http://{ADDRESS}:{port}" for port in self.ports.values())
        own = ["--listen-client-urls", clients, "--advertise-client-urls", clients, "--listen-peer-urls", peers]
        return [str(installed("etcd")), "--data-dir", str(self.data / "etcd"), "--unsafe-no-fsync", *own]
