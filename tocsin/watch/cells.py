"""How single values look. Each says without its colour what it means."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from rich.text import Text

from tocsin.watch.model import KEPT_RESULTS, Check, Result

# The worst first.
_SIGNS: Final = {
    "DOWN": ("✗", "bold red"),
    "UNKNOWN": ("?", "magenta"),
    "DEGRADED": ("!", "yellow"),
    "PENDING": ("…", "cyan"),
    "UP": ("✓", "green"),
    "PAUSED": ("=", "dim"),
}
STATUSES: Final = tuple(_SIGNS)
_OUTCOME_STYLES: Final = {"SUCCESS": "green", "DEGRADED": "yellow"}
_OUTCOME_MARKS: Final = {"FAILURE": ("✗", "bold red"), "MISSED": ("·", "dim"), "UNKNOWN": ("?", "magenta")}
_BARS: Final = "▁▂▃▄▅▆▇█"
_SECOND: Final = timedelta(seconds=1)
_UNITS: Final = (("d", 86_400, 3_600), ("h", 3_600, 60), ("m", 60, 1))


def rank(status: str) -> int:
    """0 for the worst; a status of a later version comes before those that are well."""
    return STATUSES.index(status) if status in _SIGNS else STATUSES.index("PENDING")


def sign(status: str) -> Text:
    """One character."""
    return Text(*_SIGNS.get(status, ("?", "")))


def status_style(status: str) -> str:
    """The colour of a status."""
    return _SIGNS.get(status, ("?", ""))[1]


def status_word(status: str) -> Text:
    """The status, in its colour."""
    return Text(status, status_style(status))


def age(duration: timedelta) -> str:
    """At most six characters, such as `14s`, `3m12s`, `2h05m` and `3d04h`."""
    seconds = max(int(duration / _SECOND), 0)
    for unit, size, part in _UNITS:
        if seconds >= size:
            return _two_units(seconds // size, unit, seconds % size // part)
    return f"{seconds}s"


def _two_units(count: int, unit: str, rest: int) -> str:
    lesser = {"d": "h", "h": "m", "m": "s"}[unit]
    return f"{count}{unit}" if count > 99 else f"{count}{unit}{rest:02}{lesser}"


def latency(duration: timedelta | None) -> str:
    """At most seven characters, such as `4.2 ms`, `12 ms` and `1.53 s`."""
    if duration is None:
        return "-"
    milliseconds = duration / timedelta(milliseconds=1)
    if milliseconds < 9.95:
        return f"{milliseconds:.1f} ms"
    if milliseconds < 999.5:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1000:.2f} s" if milliseconds < 99_995 else f"{milliseconds / 1000:.0f} s"


def percentage(share: float | None) -> str:
    """At most six characters; never 100% of what was less."""
    if share is None:
        return "-"
    return "100%" if share >= 1 else f"{int(share * 10_000) / 100:.2f}%"


def clock(instant: datetime, now: datetime) -> str:
    """The time of day where `now` is read, or the date of another day; at most eight characters."""
    local = instant.astimezone(now.tzinfo)
    return f"{local:%H:%M:%S}" if local.date() == now.date() else f"{local:%d %b}"


def sparkline(results: Iterable[Result]) -> Text:
    """For each result a bar, as high as its latency is among them, or the mark of how it ended.

    The newest stands at the right.
    """
    shown = tuple(results)[-KEPT_RESULTS:]
    longest = max((result.duration for result in shown if result.duration is not None), default=None) or _SECOND
    text = Text(" " * (KEPT_RESULTS - len(shown)))
    for result in shown:
        text.append_text(_bar(result, longest))
    return text


def _bar(result: Result, longest: timedelta) -> Text:
    if result.outcome in _OUTCOME_MARKS:
        return Text(*_OUTCOME_MARKS[result.outcome])
    height = 0 if result.duration is None else min(int(result.duration / longest * len(_BARS)), len(_BARS) - 1)
    return Text(_BARS[height], _OUTCOME_STYLES.get(result.outcome, ""))


def last_words(check: Check) -> Text:
    """What the last result says besides its latency."""
    if not check.results:
        return Text("no result yet", "dim")
    last = check.results[-1]
    if last.outcome == "SUCCESS":
        return Text("" if last.status_code is None else f"HTTP {last.status_code}", "dim")
    words = ": ".join(word for word in (last.reason, last.message) if word)
    return Text(words or last.outcome, _OUTCOME_MARKS.get(last.outcome, ("", "yellow"))[1].removeprefix("bold "))
