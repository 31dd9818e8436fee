"""A line now and then while something is looked for that takes many requests, and each retry at most as often."""

from __future__ import annotations

import time

from rich.console import Console

from asyncmigrate._observers.display import Plain
from asyncmigrate._output import words
from asyncmigrate._output.clean import clean
from asyncmigrate._rules.decisions.phrases import count
from asyncmigrate.events import Event, RequestSent, Retrying

_LINE_SECONDS = 5.0


class Looking(Plain):
    """Says how many requests were answered; nothing if all is over before that."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._answered = 0
        self._next = time.monotonic() + _LINE_SECONDS

    def __call__(self, event: Event) -> None:
        said = ""
        match event:
            case RequestSent():
                self._answered += 1
                said = f"{count(self._answered, 'request')} answered"
            case Retrying(error=error, wait=wait):
                said = f"{error}: trying again in {words.duration(wait)}"
        if said and time.monotonic() >= self._next:
            self._next = time.monotonic() + _LINE_SECONDS
            self._console.print(clean(said), style="dim")
