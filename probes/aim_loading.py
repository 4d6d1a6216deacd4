"""Read what is to be probed, once for each revision, and what is stored of its secrets, each time."""

from collections.abc import Collection
from typing import Final, cast

from probes.aims import ReadyAim, RevealableAim, SealedAim, Template, read_aim
from tocsin.database import Connection
from tocsin.encryption import KeyRing
from tocsin.services.check_secrets import load_named_secrets, load_secrets
from tocsin.services.leases import load_definitions
from tocsin.services.run_claims import ClaimedRun

# So many are kept; a revision never changes.
_MOST_KEPT: Final = 50_000

_Key = tuple[int, int]  # (check id, revision)


class AimLoader:
    """Keeps what was read of definitions. The keys open the secrets that targets refer to."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._kept: dict[_Key, ReadyAim | Template] = {}

    async def load(self, connection: Connection, wanted: Collection[_Key]) -> dict[_Key, RevealableAim]:
        """What is to be probed for these; one whose check was removed meanwhile is left out."""
        known = {key: self._kept[key] for key in wanted if key in self._kept}
        if missing := [key for key in wanted if key not in known]:
            definitions = await load_definitions(connection, missing)
            loaded = {key: read_aim(definition) for key, definition in definitions.items()}
            if len(self._kept) + len(loaded) > _MOST_KEPT:
                self._kept.clear()
            self._kept |= loaded
            known |= loaded
        return await self._with_secrets(connection, known)

    async def load_for_run(self, connection: Connection, run: ClaimedRun) -> RevealableAim:
        """What is to be probed for a run."""
        aim = read_aim(run.definition)
        if run.check_id is not None and run.revision is not None:
            key = (run.check_id, run.revision)
            return (await self._with_secrets(connection, {key: aim}))[key]
        if not isinstance(aim, Template):
            return aim
        names = aim.references.values()
        return SealedAim(aim, await load_named_secrets(connection, run.organization_id, names), self._keys)

    async def _with_secrets(
        self, connection: Connection, known: dict[_Key, ReadyAim | Template]
    ) -> dict[_Key, RevealableAim]:
        """The same, with the secrets that are stored now. Where none are referred to, nothing is asked."""
        templates = {key: aim for key, aim in known.items() if isinstance(aim, Template)}
        if not templates:
            return cast("dict[_Key, RevealableAim]", known)
        secrets = await load_secrets(
            connection, {key: template.references.values() for key, template in templates.items()}
        )
        sealed = {key: SealedAim(template, secrets[key], self._keys) for key, template in templates.items()}
        return {**cast("dict[_Key, RevealableAim]", known), **sealed}
