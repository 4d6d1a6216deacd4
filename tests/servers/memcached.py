"""memcached, for the sample of a kind that a package brings."""

from tests.servers.processes import ADDRESS, LoopbackServer
from tests.servers.programs import require_program


class Memcached(LoopbackServer):
    name = "memcached"

    def command(self) -> list[str]:
        user = ["-u", "nobody"] if self.account.identity() else []
        return [str(require_program("memcached")), "-l", ADDRESS, "-p", str(self.ports["plain"]), "-U", "0", *user]
