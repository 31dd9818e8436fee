"""Times in metadata: RFC 3339, UTC, whole seconds, so that they sort as text. All parsing of them is here.

A client may send any time in managedFields, one in the future too: each rule that uses a stamp says what it believes.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

_FORM = "%Y-%m-%dT%H:%M:%SZ"
_IS_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").fullmatch


def is_stamp(text: str) -> bool:
    """Tell a stamp of the one form that sorts as text."""
    return _IS_STAMP(text) is not None


def seconds_of(text: str) -> float | None:
    """Seconds since the epoch; None for what is no time."""
    try:
        return datetime.fromisoformat(text).timestamp() if is_stamp(text) else None
    except ValueError:
        return None


def stamp_of(seconds: float) -> str:
    """The stamp of a moment, in seconds since the epoch; fractions are cut off."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime(_FORM)
