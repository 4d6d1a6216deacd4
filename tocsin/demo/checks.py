"""The demo's site and checks, as they stand in the database."""

from collections.abc import Mapping
from typing import Final

from tocsin.demo.ports import Ports
from tocsin.demo.targets import ADDRESS
from tocsin.domain.definitions import DefinitionFields
from tocsin.domain.errors import ConflictError, NotFoundError
from tocsin.services.checks import create_check, delete_check, update_check
from tocsin.services.sites import create_site, delete_site

SITE: Final = {
    "name": "Demo",
    "description": "Targets that this program serves itself. `tocsin up --no-demo` removes it.",
}
ACTOR: Final = "tocsin up"


def demo_checks(ports: Ports) -> dict[str, DefinitionFields]:
    """The checks, each under a name that it keeps whatever ports the targets have."""
    web, secure = f"http://{ADDRESS}:{ports.http}", f"https://{ADDRESS}:{ports.tls}"
    return {
        "steady": _fields("Steady", "http", url=f"{web}/steady"),
        "slow": _fields("Slow", "http", url=f"{web}/slow"),
        "failing": _fields("Fails every other minute", "http", url=f"{web}/failing"),
        "certificate": _fields("Certificate expires soon", "http", url=f"{secure}/steady"),
        "tcp": _fields("TCP port", "tcp", host=ADDRESS, port=ports.tcp),
    }


def _fields(name: str, kind: str, **target: object) -> DefinitionFields:
    """As impatient as checks can sensibly be: a demo is looked at for minutes."""
    return {
        "name": name,
        "target": (kind, target),
        "interval_seconds": 5,
        "failure_threshold": 2,
        "success_threshold": 2,
        "labels": [("demo", "true")],
    }


async def create_checks(organization_id: int, ports: Ports) -> tuple[int, dict[str, int]]:
    """Make the site and its checks; return their ids. Raises ConflictError when the site's name is taken."""
    site_id = await create_site(organization_id, SITE)
    checks = demo_checks(ports)
    return site_id, {key: await create_check(organization_id, site_id, fields) for key, fields in checks.items()}


async def move_checks(organization_id: int, check_ids: Mapping[str, int], ports: Ports) -> None:
    """Let the checks that are still there watch the targets' new ports."""
    for key, fields in demo_checks(ports).items():
        try:
            await update_check(organization_id, check_ids[key], {"target": fields["target"]}, ACTOR)
        except NotFoundError:
            continue


async def delete_checks(organization_id: int, site_id: int, check_ids: Mapping[str, int]) -> None:
    """Delete what is still there; a site that got other checks stays."""
    for check_id in check_ids.values():
        try:
            await delete_check(organization_id, check_id, ACTOR)
        except NotFoundError:
            continue
    try:
        await delete_site(organization_id, site_id)
    except (NotFoundError, ConflictError):
        return
