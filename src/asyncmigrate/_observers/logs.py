"""What happens as structlog lines on stderr: decisions, retries, pages and failures; with more detail every request."""

from __future__ import annotations

import copy
import json
import sys
import time
from collections.abc import MutableMapping
from typing import Any, Literal

import msgspec
import structlog
from structlog.typing import Processor

from asyncmigrate._observers.display import Plain
from asyncmigrate._observers.event_lines import when
from asyncmigrate._output.clean import clean
from asyncmigrate._output.fleet import result_word, why
from asyncmigrate._results.plan import Decision
from asyncmigrate.events import (
    ClusterFinished,
    CRDDecided,
    CRDFinished,
    CRDRelisted,
    CRDSettling,
    CRDStarted,
    Event,
    EventNotRecorded,
    ManifestsRead,
    ObjectFailed,
    PageListed,
    RequestSent,
    Retrying,
    RunFinished,
    RunStarted,
    StateNotSaved,
)

_GOOD = frozenset({Decision.NEW, Decision.CURRENT})

Entry = MutableMapping[str, Any]


class Logs(Plain):
    """An observer that logs. Events hold no header, so no token can get into a line.

    `requests`: each request too. `colored` is None for JSON. `where` is bound to each line: the context and such.
    """

    def __init__(self, *, requests: bool, colored: bool | None, where: dict[str, str]) -> None:
        self._requests = requests
        shown: list[Processor] = (
            [_as_json] if colored is None else [_cleaned, structlog.dev.ConsoleRenderer(colors=colored)]
        )
        self._log = structlog.wrap_logger(
            structlog.PrintLogger(sys.stderr), processors=[structlog.processors.add_log_level, _timed, *shown]
        ).bind(**where)

    def for_cluster(self, name: str) -> Logs:
        """The same, with a cluster's context on each line."""
        found = copy.copy(self)
        found._log = self._log.bind(context=name)  # noqa: SLF001 -- its own
        return found

    def __call__(self, event: Event) -> None:
        log = self._log.bind(time=event.time)
        match event:
            case RequestSent():
                if self._requests:
                    log.debug("request", **_fields(event))
            case CRDDecided(plan=plan):
                level = log.info if plan.decision in _GOOD else log.warning
                level("decided", crd=plan.name, decision=str(plan.decision), reason=plan.reason)
            case Retrying():
                log.warning("retrying", **_fields(event))
            case ObjectFailed(crd=crd, failure=failure):
                log.error("object failed", crd=crd, **msgspec.structs.asdict(failure))
            case CRDFinished(report=report):
                if report.plan.decision is Decision.STALE:
                    log.info("finished", crd=report.name, outcome=str(report.outcome), reason=report.reason)
            case ManifestsRead() | CRDStarted() | CRDSettling() | CRDRelisted() | PageListed():
                log.info(_name(event), **_fields(event))
            case _:
                self._about_run(log, event)

    def _about_run(self, log: Any, event: Event) -> None:  # noqa: ANN401 -- structlog's
        match event:
            case ClusterFinished(result=result):
                level = log.info if result.ok else log.error if result.error is not None else log.warning
                level("cluster finished", code=result.code, result=result_word(result), why=why(result))
            case RunStarted(stale=stale, dry_run=dry_run):
                log.info("run started", stale=stale, dry_run=dry_run)
            case RunFinished(report=report):
                objects = msgspec.structs.asdict(report.objects)
                log.info("run finished", ok=report.ok, interrupted=report.interrupted, **objects)
            case StateNotSaved() | EventNotRecorded():
                log.warning(_name(event), **_fields(event))

    def say(self, level: Literal["info", "warning", "error"], words: str) -> None:
        """Log what is no event: a warning of the command's own, or the error that ends it."""
        getattr(self._log, level)(words.removeprefix(f"{level}: "))


def _fields(event: Event) -> dict[str, Any]:
    fields = {name: getattr(event, name) for name in event.__struct_fields__ if name != "time"}
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in fields.items()}


def _timed(_: object, __: str, entry: Entry) -> Entry:
    """When it happened, which the event says."""
    entry["timestamp"] = when(entry.pop("time", None) or time.time())
    return entry


def _cleaned(_: object, __: str, entry: Entry) -> Entry:
    return {key: clean(value) if isinstance(value, str) else value for key, value in entry.items()}


def _as_json(_: object, __: str, entry: Entry) -> str:
    """On one line, with what is not ASCII escaped, and with it what steers a terminal."""
    first = {key: entry.pop(key) for key in ("timestamp", "level", "event")}
    return json.dumps(first | dict(entry)).replace("\x7f", "\\u007f")


def _name(event: Event) -> str:
    words = "".join(f" {c.lower()}" if c.isupper() else c for c in type(event).__name__.removeprefix("CRD"))
    return words.strip()
