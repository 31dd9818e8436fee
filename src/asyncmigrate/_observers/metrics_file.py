"""Keeps the metrics in a file, for the textfile collector of Prometheus' node exporter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from asyncmigrate._observers.background import Background
from asyncmigrate._observers.metrics import Metrics
from asyncmigrate._output.documents import check_writable, replace_file
from asyncmigrate.errors import UsageError

_FLAG = "--metrics-file"
_WRITE_SECONDS = 5.0  # between two writes; scrapers come every 15 s or so
_MOST_BYTES = 64 * 1024 * 1024  # of a file of ours, far beyond what thousands of CRDs make


class MetricsFile:
    """Writes the file now and then, and in the end. `lost` is told, once, if that cannot be done any more."""

    def __init__(self, path: str, metrics: Metrics, lost: Callable[[str], None]) -> None:
        file = Path(path)
        self._thread = Background(lambda: replace_file(file, metrics.text()), lost, seconds=_WRITE_SECONDS)

    def close(self, *, interrupted: bool) -> None:
        """Write what the metrics came to."""
        self._thread.close(interrupted=interrupted)


def check_metrics_file(path: str) -> str:
    """Say before the work begins that the file could not be written; returns what is in it.

    Raises:
        UsageError: it cannot be written.
    """
    check_writable(path, _FLAG, "--metrics-port serves the metrics")
    file = Path(path)
    if not file.exists():
        return ""
    if not file.is_file():
        raise UsageError(f"{_FLAG} {path}: this is no file, which could be replaced; name another")
    try:
        with file.open("rb") as found:
            return found.read(_MOST_BYTES).decode(errors="replace")
    except OSError:  # it can be replaced, and yet not be read
        return ""
