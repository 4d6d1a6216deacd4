"""Kinds that other installed packages bring: entry points for the model and for the prober, named as the kind."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from tocsin.domain.errors import TocsinError
from tocsin.domain.targets.model import Target


class BrokenKindError(TocsinError):
    """An installed package brings a kind that cannot be used. The message names the package and what is wrong."""


def installed_targets(own: Mapping[str, type[Target]]) -> dict[str, type[Target]]:
    """The models of the entry points in `tocsin.targets`. Raises BrokenKindError."""
    return {point.name: _target(point, own) for point in _found("tocsin.targets")}


def installed_probers(own: Mapping[str, Any]) -> dict[str, Any]:
    """The probers of the entry points in `tocsin.probers`. Raises BrokenKindError."""
    return {point.name: _loaded(point, own) for point in _found("tocsin.probers")}


def _found(group: str) -> list[EntryPoint]:
    return sorted(entry_points(group=group), key=lambda point: point.name)


def _target(point: EntryPoint, own: Mapping[str, type[Target]]) -> type[Target]:
    model = _loaded(point, own)
    if not (isinstance(model, type) and issubclass(model, Target)):
        raise _broken(point, "its model does not inherit from tocsin.domain.targets.model.Target")
    if model.kind != point.name:
        raise _broken(point, f"its model calls itself {model.kind}; give both the same name")
    return model


def _loaded(point: EntryPoint, own: Mapping[str, object]) -> Any:  # noqa: ANN401 - whatever the package says
    if point.name in own:
        raise _broken(point, "Tocsin has a kind of this name itself; choose another")
    try:
        return point.load()
    except Exception as exc:
        raise _broken(point, f"it cannot be imported: {type(exc).__name__}: {exc}") from exc


def _broken(point: EntryPoint, problem: str) -> BrokenKindError:
    package = point.dist.name if point.dist else "an unknown package"
    return BrokenKindError(f"the kind {point.name} of the package {package} cannot be used: {problem}")
