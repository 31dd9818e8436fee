"""Leaves a pod's termination message, which `kubectl describe pod` shows."""

from __future__ import annotations

import os
import stat

VARIABLE = "ASYNCMIGRATE_TERMINATION_LOG"
_PATH = "/dev/termination-log"  # terminationMessagePath, unless a container says another


def leave(message: str) -> None:
    """Write the message, if the file is there and takes it: the kubelet makes it, so that elsewhere nothing is written.

    It never fails, and waits for nobody: what is no plain file, such as a pipe, is left alone.
    """
    path = os.environ.get(VARIABLE) or _PATH
    try:
        number = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if stat.S_ISREG(os.fstat(number).st_mode):
            os.ftruncate(number, 0)
            os.write(number, message.encode())
    except OSError:  # a full disk, say
        return
    finally:
        os.close(number)
