"""What is known, as a screen of at most so many lines. Pure: the same state at the same instant looks the same."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from tocsin.watch.cells import age, clock, sign, status_style
from tocsin.watch.columns import fit, table
from tocsin.watch.fitting import counts, lines_of, shown_checks
from tocsin.watch.model import Check, ConnectionLost, Incident, State
from tocsin.watch.tables import change_columns, check_columns, incident_columns, name_width

# An incident with its heading, an empty line, and how many checks there are.
_FEWEST_LINES: Final = 4
# With fewer lines than this, status changes give way to checks.
_ROOMY: Final = 16
_FEWEST_CHANGES: Final = 3


@dataclass(frozen=True, slots=True)
class Screen:
    """Renders as high and as wide as the console allows. `now` is this machine's, in the zone that is shown."""

    state: State
    url: str
    now: datetime

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = options.height or console.height
        yield screen(self.state, self.url, self.now, options.max_width, height)


def screen(state: State, url: str, now: datetime, width: int, height: int) -> RenderableType:
    """The whole picture."""
    head: list[RenderableType] = [_header(state, now, width)]
    if state.away:
        head.append(_away(state.away, url, now))
    head.append(Text())
    if state.organization is None:
        return Group(*head) if state.away else Group(*head, Text(f"Connecting to {url} ..."))
    lines = height - len(head)
    return Group(*head, *_body(state, now + state.clock_lead, width, lines)) if lines >= _FEWEST_LINES else Group(*head)


def _header(state: State, now: datetime, width: int) -> Text:
    """The counts matter most: what stands at the right gives way to them."""
    left = Text.assemble(("TOCSIN", "bold"), f"  {state.organization or ''}")
    for status, count in counts(state.checks.values()):
        left.append_text(Text.assemble("   ", sign(status), (f" {count} {status}", status_style(status))))
    link = ("AWAY", "bold red") if state.away else ("live", "green")
    right = Text.assemble(link, f"  {now:%H:%M:%S}  ", ("q ends", "dim"))
    space = width - left.cell_len - right.cell_len
    line = Text.assemble(left, " " * space, right) if space >= 2 else left
    line.truncate(width, overflow="ellipsis")
    return line


def _away(away: ConnectionLost, url: str, now: datetime) -> Text:
    since = f"{clock(away.at, now)} ({age(now - away.at)})"
    words = f" {url} is away since {since}: {away.reason}. Next try in {age(away.retry_at - now)}. "
    return Text(words, "bold white on red", no_wrap=True, overflow="ellipsis")


def _body(state: State, now: datetime, width: int, lines: int) -> list[RenderableType]:
    """Incidents get up to a quarter of the lines; status changes at least a few, and what the checks leave."""
    checks = list(state.checks.values())
    names = name_width(checks)
    incidents = _open_incidents(checks)
    shown = incidents[: lines // 4]
    lines -= len(shown) + 2 if shown else 0
    fewest = _FEWEST_CHANGES if lines >= _ROOMY else 0
    changes = state.changes[: max(lines - lines_of(checks) - 1, fewest)]
    parts = _checks(checks, names, now, width, lines - (len(changes) + 1 if changes else 0))
    if shown:
        title = "OPEN INCIDENTS" if len(shown) == len(incidents) else f"{len(shown)} OF {len(incidents)} INCIDENTS"
        parts += [table(title, fit(incident_columns(names, now), shown, width), shown), Text()]
    if changes:
        parts.append(table("STATUS CHANGES", fit(change_columns(names, now), changes, width), changes))
    return parts


def _open_incidents(checks: Iterable[Check]) -> list[tuple[Check, Incident]]:
    """First those that nobody has taken on; the newest first."""
    found = [(check, check.incident) for check in checks if check.incident is not None]
    found.sort(key=lambda row: row[1].opened_at, reverse=True)
    return sorted(found, key=lambda row: row[1].acknowledged_at is not None)


def _checks(checks: Sequence[Check], names: int, now: datetime, width: int, lines: int) -> list[RenderableType]:
    if not checks:
        return [Text("No checks yet; the mutation createCheck makes one.", no_wrap=True, overflow="ellipsis"), Text()]
    parts: list[RenderableType] = []
    shown = shown_checks(checks, lines)
    columns = fit(check_columns(names, now), list(chain(*shown.sites.values())), width)
    for site, its_checks in shown.sites.items():
        parts += [table(site, columns, its_checks), Text()]
    if shown.hidden:
        parts.insert(len(parts) - 1, _hidden(shown.hidden))
    return parts


def _hidden(hidden: Sequence[tuple[str, int]]) -> Text:
    total = sum(count for _, count in hidden)
    words = Text(f"{total} more without room:", "dim", no_wrap=True, overflow="ellipsis")
    for status, count in hidden:
        words.append_text(Text.assemble("  ", sign(status), f" {count} {status}"))
    return words
