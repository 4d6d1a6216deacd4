"""What a status repeats of the spec, with its defaults and references filled in, for the columns of kubectl."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from healthcheck_operator.durations import format_duration
from healthcheck_operator.specs import Wish
from healthcheck_operator.status_schema import MAXIMUM_TARGET_LENGTH
from tocsin.domain.definitions import DEFAULT_INTERVAL, DefinitionFields
from tocsin.domain.targets import KINDS
from tocsin.domain.targets.shown import shown_address


def shown_spec(wish: Wish, target: Mapping[str, Any]) -> dict[str, str]:
    """The parts `type`, `target` and `schedule` of a status."""
    return {
        "type": wish.kind,
        "target": shown_address(target)[:MAXIMUM_TARGET_LENGTH],
        "schedule": _schedule(wish.definition, KINDS[wish.kind].default_interval or DEFAULT_INTERVAL),
    }


def _schedule(definition: DefinitionFields, default: timedelta) -> str:
    if cron := definition.get("schedule"):
        zone = cron["time_zone"]
        return cron["cron"] if zone == "UTC" else f"{cron['cron']} {zone}"
    seconds = definition.get("interval_seconds")
    return format_duration(default if seconds is None else timedelta(seconds=seconds))
