"""A home directory while kubernetes-asyncio is imported: it asks for one then, and fails where there is none.

A container with a user ID of its own has neither HOME nor a passwd entry.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NOWHERE = "/nonexistent"  # as Debian names the home of those who have none


@contextmanager
def some_home() -> Iterator[None]:
    """There is a HOME within the scope; credential plugins, which start later, get what was there before."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = _NOWHERE
        try:
            yield
        finally:
            del os.environ["HOME"]
    else:
        yield
