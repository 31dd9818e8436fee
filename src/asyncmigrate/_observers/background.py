"""A thread that writes a file beside the work: a disk that hangs or is full holds nothing up."""

from __future__ import annotations

import threading
from collections.abc import Callable

_LAST_SECONDS = 5.0  # for the last write; a network's file system may never answer
_INTERRUPTED_SECONDS = 0.5  # the same, of the second that an interrupted run takes to end


class Background:
    """Calls `write` every `seconds`, and once more at the end, until it raises OSError: then `lost` is told, once."""

    def __init__(self, write: Callable[[], None], lost: Callable[[str], None], *, seconds: float) -> None:
        self._write = write
        self._lost = lost
        self._seconds = seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)  # nobody waits for it at exit
        self._thread.start()

    def _keep(self) -> None:
        try:
            while not self._over.wait(self._seconds):
                self._write()
            self._write()
        except OSError as error:
            self._lost(str(error.strerror or error))

    def close(self, *, interrupted: bool) -> bool:
        """Write what is left, within a bound; returns whether that is over."""
        self._over.set()
        self._thread.join(_INTERRUPTED_SECONDS if interrupted else _LAST_SECONDS)
        if self._thread.is_alive():
            self._lost("it does not take what is written in time")
            return False
        return True
