"""What happens as structlog lines on stderr: decisions, retries, pages and failures; with more detail every request."""

from __future__ import annotations

import copy
import sys
from collections.abc import MutableMapping
from typing import Any

import msgspec
import structlog

from asyncmigrate._observers.display import Plain
from asyncmigrate._output.clean import clean
from asyncmigrate._results.plan import Decision
from asyncmigrate.events import (
    CRDDecided,
    CRDFinished,
    CRDRelisted,
    CRDSettling,
    CRDStarted,
    Event,
    ManifestsRead,
    ObjectFailed,
    PageListed,
    RequestSent,
    Retrying,
    StateNotSaved,
)


class Logs(Plain):
    """An observer that logs. Events hold no header, so no token can get into a line.

    `requests`: each request too.
    """

    def __init__(self, *, requests: bool, colored: bool) -> None:
        self._requests = requests
        self._log = structlog.wrap_logger(
            structlog.PrintLogger(sys.stderr),
            processors=[
                _cleaned,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso"),
                structlog.dev.ConsoleRenderer(colors=colored),
            ],
        )

    def for_cluster(self, name: str) -> Logs:
        """The same, with a cluster's name on each line."""
        found = copy.copy(self)
        found._log = self._log.bind(cluster=name)  # noqa: SLF001 -- its own
        return found

    def __call__(self, event: Event) -> None:
        match event:
            case RequestSent():
                if self._requests:
                    self._log.debug("request", **msgspec.structs.asdict(event))
            case CRDDecided(plan=plan):
                level = self._log.info if plan.decision in {Decision.NEW, Decision.CURRENT} else self._log.warning
                level("decided", crd=plan.name, decision=str(plan.decision), reason=plan.reason)
            case Retrying(doing=doing, attempt=attempt, wait=wait, error=error):
                self._log.warning("retrying", doing=doing, attempt=attempt, wait=round(wait, 2), error=error)
            case ObjectFailed(crd=crd, failure=failure):
                self._log.error("object failed", crd=crd, **msgspec.structs.asdict(failure))
            case CRDFinished(report=report):
                if report.plan.decision is Decision.STALE:
                    self._log.info("finished", crd=report.name, outcome=str(report.outcome), reason=report.reason)
            case StateNotSaved(error=error):
                self._log.warning("state not saved", error=error)
            case ManifestsRead() | CRDStarted() | CRDSettling() | CRDRelisted() | PageListed():
                self._log.info(_name(event), **msgspec.structs.asdict(event))


def _cleaned(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: clean(value) if isinstance(value, str) else value for key, value in event.items()}


def _name(event: Event) -> str:
    words = "".join(f" {c.lower()}" if c.isupper() else c for c in type(event).__name__.removeprefix("CRD"))
    return words.strip()
