"""From the making of a demo to its removal.

What belongs to it is kept in a folder of its own: ports and ids, and the certificates of this run.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Final

from tocsin.demo.certificates import make_certificates
from tocsin.demo.checks import create_checks, delete_checks, move_checks
from tocsin.demo.ports import Ports, choose_ports
from tocsin.demo.targets import ADDRESS

STATE_FILE: Final = "demo.json"
MODULE: Final = "tocsin.demo.targets"


@dataclass(frozen=True)
class Demo:
    """A demo that is there."""

    folder: Path
    site_id: int
    check_ids: Mapping[str, int]
    ports: Ports

    @property
    def arguments(self) -> tuple[str, ...]:
        """Those of the module that serves the targets."""
        return (*map(str, astuple(self.ports)), str(self.folder / "target.pem"))

    def make_certificates(self, extra_ca_file: str | None) -> None:
        """Make the certificates of this run. Probes trust them besides those of another file."""
        made = make_certificates(ADDRESS)
        others = Path(extra_ca_file).read_bytes() if extra_ca_file else b""
        (self.folder / "authorities.pem").write_bytes(others + made.authority)
        target = self.folder / "target.pem"
        target.touch(mode=0o600)
        target.write_bytes(made.target_with_key)

    def environment(self, exceptions: str | None) -> dict[str, str]:
        """What workers must be told: whom to trust, and that the targets may be probed whatever else is refused."""
        endpoints = [f"{ADDRESS}:{port}" for port in astuple(self.ports)]
        return {
            "TOCSIN_EXTRA_CA_FILE": str(self.folder / "authorities.pem"),
            "TOCSIN_EGRESS_EXCEPTIONS": ",".join([*([exceptions] if exceptions else []), *endpoints]),
        }


async def create_demo(folder: Path, organization_id: int) -> Demo:
    """Make a demo. Raises ConflictError when a site has its name, and OSError when there are no ports for it."""
    ports = choose_ports()
    site_id, check_ids = await create_checks(organization_id, ports)
    return _keep(Demo(folder, site_id, check_ids, ports))


async def resume_demo(folder: Path, organization_id: int) -> Demo | None:
    """The demo of the folder, on other ports if its own are taken. None when there is none."""
    demo = _read(folder)
    if demo is None or demo.ports.are_free:
        return demo
    demo = replace(demo, ports=choose_ports())
    await move_checks(organization_id, demo.check_ids, demo.ports)
    return _keep(demo)


async def remove_demo(folder: Path, organization_id: int) -> bool:
    """Delete the demo with its checks; False when there is none."""
    demo = _read(folder)
    if demo is None:
        return False
    await delete_checks(organization_id, demo.site_id, demo.check_ids)
    shutil.rmtree(folder)
    return True


def _keep(demo: Demo) -> Demo:
    demo.folder.mkdir(mode=0o700, exist_ok=True)
    fresh = demo.folder / f"{STATE_FILE}.new"
    state = {"site_id": demo.site_id, "check_ids": dict(demo.check_ids), "ports": asdict(demo.ports)}
    fresh.write_text(json.dumps(state))
    fresh.rename(demo.folder / STATE_FILE)
    return demo


def _read(folder: Path) -> Demo | None:
    try:
        state = json.loads((folder / STATE_FILE).read_text())
    except FileNotFoundError:
        return None
    return Demo(folder, state["site_id"], state["check_ids"], Ports(**state["ports"]))
