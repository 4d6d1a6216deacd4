"""The process of the hostile servers, and the certificates that some of them show."""

import json
import shutil
import sys
from pathlib import Path

from tests.hostile.chains import write_deep_chain, write_many_names
from tests.servers.processes import LoopbackServer


class HostileServers(LoopbackServer):
    """All of the corpus. `port_of` tells where a trick is played."""

    name = "hostile"
    listens = ()
    keeps_account = True

    def configure(self) -> None:
        folder = self.data / "certificates"
        folder.mkdir(exist_ok=True)
        for name in ("usual", "tickets"):
            shutil.copy(self.credentials.certificate_file, folder / f"{name}.pem")
        self.credentials.authority.server_context(padding=250)
        shutil.copy(self.credentials.ca_file.parent / "server.pem", folder / "huge.pem")
        write_deep_chain(self.credentials.authority, folder / "deep.pem")
        write_many_names(self.credentials.authority, folder / "names.pem")

    def command(self) -> list[str]:
        root = str(Path(__file__).parents[2])
        code = f"import sys; sys.path.insert(0, {root!r}); from tests.hostile.serving import main; main(sys.argv[1])"
        return [sys.executable, "-c", code, str(self.data)]

    def answers(self) -> bool:
        return (self.data / "ports.json").exists()

    def port_of(self, trick: str) -> int:
        port: int = json.loads((self.data / "ports.json").read_text())[trick]
        return port
