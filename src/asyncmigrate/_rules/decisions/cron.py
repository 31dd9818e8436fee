"""Which schedules a CronJob takes: robfig/cron's standard ones, without a time zone, as Kubernetes checks them."""

from __future__ import annotations

import re

from asyncmigrate.errors import UsageError

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
# name, lowest, highest, words for numbers from the lowest on
_FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 6, _DAYS),
)
_MACROS = {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}
_EVERY = re.compile(r"@every (?:[0-9]+(?:\.[0-9]*)?(?:ns|us|µs|ms|s|m|h))+")
_PART = re.compile(r"(?:[*?]|(\w+)(?:-(\w+))?)(?:/([0-9]+))?", re.ASCII)
_EXAMPLE = "write five fields, such as '30 2 * * 6', or @daily"


def check_schedule(schedule: str) -> None:
    """Refuse what the API server would refuse of a CronJob, and say which field it is.

    Raises:
        UsageError: it is no schedule.
    """
    if schedule in _MACROS or _EVERY.fullmatch(schedule):
        return
    fields = schedule.split()
    if len(fields) != len(_FIELDS) or schedule.startswith(("@", "TZ=", "CRON_TZ=")):
        raise UsageError(f"--schedule {schedule!r} is no schedule: {_EXAMPLE}")
    for field, (name, low, high, words) in zip(fields, _FIELDS, strict=True):
        numbers = {word: number for number, word in enumerate(words, low)}
        for part in [part for part in field.split(",") if part] or [field]:
            if not _is_part(part, low, high, numbers):
                raise UsageError(f"--schedule {schedule!r}: {part!r} is no {name} ({low} to {high}): {_EXAMPLE}")


def _is_part(part: str, low: int, high: int, numbers: dict[str, int]) -> bool:
    found = _PART.fullmatch(part)
    if found is None:
        return False
    begin, end, step = found.groups()
    if step is not None and int(step) == 0:
        return False
    if begin is None:
        return True
    values = [_number(word, numbers) for word in (begin, end or begin)]
    first, last = values
    return first is not None and last is not None and low <= first <= last <= high


def _number(word: str, numbers: dict[str, int]) -> int | None:
    return int(word) if word.isdecimal() else numbers.get(word.lower())
