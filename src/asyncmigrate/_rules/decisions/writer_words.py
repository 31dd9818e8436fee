"""Who wrote in a version and when, in words."""

from __future__ import annotations

from asyncmigrate._model import Writer
from asyncmigrate._rules.decisions.phrases import count
from asyncmigrate._rules.safety.stamps import seconds_of

NAMED = 3  # in a sentence
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def writers_words(writers: tuple[Writer, ...], version: str, now: float | None) -> str:
    """`argocd-controller wrote 312 objects in v1alpha1, last 4 minutes ago; kubectl wrote 1 object in ...`."""
    said = [writer_words(w, version, now) for w in writers[:NAMED]]
    more = len(writers) - len(said)
    return "; ".join(said) + (f"; and {more} more" if more else "")


def writer_words(writer: Writer, version: str, now: float | None) -> str:
    """What one manager wrote in a version, and when it did last."""
    who = writer.manager or "managers without a name, or too many to name,"
    when = _when(writer.newest, now)
    return f"{who} wrote {count(writer.objects, 'object')} in {version}, {when}"


def _when(stamp: str, now: float | None) -> str:
    at = seconds_of(stamp)
    if at is None:
        return f"last at {stamp}" if stamp else "at a time that is not known"
    if now is None:
        return f"last at {stamp}"
    if at > now + 1:
        return f"last at {stamp}, which is {_span(at - now)} in the future by the server's clock"
    return f"last {_span(now - at)} ago"


def _span(seconds: float) -> str:
    """The largest unit of which there is at least one: `4 minutes`, `1 day`."""
    for size, unit in _UNITS:
        if seconds >= size:
            return count(int(seconds // size), unit)
    return "less than a second"
