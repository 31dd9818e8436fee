"""Reads results back from the JSON contract: what `report_json` has written, by this release or an older one."""

from __future__ import annotations

import json
from typing import Literal, TypeVar

import msgspec

from asyncmigrate._model import CRD, Version, Writer
from asyncmigrate._output.names_in_results import problem_with
from asyncmigrate._output.read_droppable import DroppableEntry
from asyncmigrate._output.report_json import API_VERSION
from asyncmigrate._results.fleet import ClusterError, ClusterResult, FleetReport
from asyncmigrate._results.plan import Changes, CRDPlan, Decision, Plan, PolicyRule, SpecID
from asyncmigrate._results.report import (
    CRDReport,
    Failure,
    Objects,
    Outcome,
    OwnersLeft,
    PrunedObjects,
    Report,
    TrimmedBy,
)
from asyncmigrate._results.unfinished import Progress
from asyncmigrate.errors import UsageError

_Result = TypeVar("_Result", Plan, Report, FleetReport)
_Code = Literal[0, 1, 2, 3, 4, 130]
_WORDS = {"Plan": "plan", "Report": "report"}
_COMMANDS = {
    "Plan": "asyncmigrate plan -o json",
    "Report": "asyncmigrate run -o json",
    "FleetReport": "asyncmigrate run -o json with several contexts",
}


class _Decided(msgspec.Struct, rename="camel", kw_only=True, frozen=True):
    """What is said of each CRD in a plan and in a report."""

    name: str
    decision: Decision
    reason: str
    message: str = ""
    storage_version: str | None = None
    stored_versions: tuple[str, ...] = ()
    spec: SpecID | None = None
    refused: bool = False

    @property
    def known(self) -> CRD | None:
        """What can be told of the live CRD where it does not stand there as a whole."""
        plural, _, group = self.name.partition(".")
        versions = (Version(self.storage_version, storage=True),) if self.storage_version else ()
        found = self.spec and CRD(
            name=self.name,
            group=group,
            plural=plural,
            kind="",
            versions=versions,
            stored_versions=self.stored_versions,
            uid=self.spec.uid,
            generation=self.spec.generation,
            changed=self.spec.changed,
        )
        return found or None

    @property
    def problem(self) -> str:
        """What is wrong with its names."""
        return problem_with(self.name, self.known, is_worked_on=self.decision is Decision.STALE)


class _PlanEntry(_Decided, rename="camel", kw_only=True, frozen=True):
    changes: Changes | None = None
    waiting: int | None = msgspec.field(default=None, name="objectsWaiting")
    unanswered: bool = False
    missing: tuple[PolicyRule, ...] = msgspec.field(default=(), name="missingRights")
    webhook_error: str | None = None
    live: CRD | None = None
    droppable: DroppableEntry | None = None

    @property
    def problem(self) -> str:
        return problem_with(self.name, self.live or self.known, is_worked_on=self.decision is Decision.STALE)

    @property
    def result(self) -> CRDPlan:
        return CRDPlan(
            name=self.name,
            decision=self.decision,
            reason=self.reason,
            message=self.message,
            live=self.live or self.known,
            changes=self.changes,
            refused=self.refused,
            waiting=self.waiting,
            unanswered=self.unanswered,
            missing=self.missing,
            webhook_error=self.webhook_error or "",
            droppable=None if self.droppable is None else self.droppable.result,
        )


class _ReportEntry(_Decided, rename="camel", kw_only=True, frozen=True):
    outcome: Outcome
    objects: Objects
    trimmed_by: TrimmedBy | None = None
    failures: tuple[Failure, ...] = ()
    progress: Progress | None = None
    pruning: PrunedObjects | None = None
    writers: tuple[Writer, ...] = ()
    owners_left: tuple[OwnersLeft, ...] = ()
    plan: _PlanEntry | None = None

    @property
    def problem(self) -> str:
        if self.plan is None:
            return super().problem
        if self.plan.name != self.name:
            return f"{self.name!a} has the plan of {self.plan.name!a} in it"
        return self.plan.problem

    @property
    def result(self) -> CRDReport:
        planned = CRDPlan(
            name=self.name, decision=self.decision, reason=self.reason, message=self.message, live=self.known
        )
        return CRDReport(
            plan=self.plan.result if self.plan else planned,
            outcome=self.outcome,
            reason=self.reason,
            message=self.message,
            objects=self.objects,
            trimmed_by=self.trimmed_by,
            failures=self.failures,
            progress=self.progress,
            pruning=self.pruning,
            refused=self.refused,
            writers=self.writers,
            owners_left=self.owners_left,
        )


class _Head(msgspec.Struct, rename="camel", kw_only=True, frozen=True):
    api_version: str
    kind: str


class _Whole(_Head, rename="camel", kw_only=True, frozen=True):
    context: str = ""
    server: str = ""
    seconds: float = 0.0
    requests: int = 0
    retries: int = 0


class _WithCRDs(_Whole, rename="camel", kw_only=True, frozen=True):
    crds: tuple[_PlanEntry, ...] | tuple[_ReportEntry, ...]

    @property
    def problem(self) -> str:
        """What is wrong with its names; empty if nothing is."""
        return next(filter(None, (entry.problem for entry in self.crds)), "")


class _PlanObject(_WithCRDs, rename="camel", kw_only=True, frozen=True):
    crds: tuple[_PlanEntry, ...]

    @property
    def result(self) -> Plan:
        return Plan(
            context=self.context,
            server=self.server,
            seconds=self.seconds,
            crds=tuple(c.result for c in self.crds),
            requests=self.requests,
            retries=self.retries,
        )


class _ReportObject(_WithCRDs, rename="camel", kw_only=True, frozen=True):
    crds: tuple[_ReportEntry, ...]
    dry_run: bool = False
    interrupted: bool = False

    @property
    def result(self) -> Report:
        return Report(
            context=self.context,
            server=self.server,
            seconds=self.seconds,
            crds=tuple(c.result for c in self.crds),
            requests=self.requests,
            retries=self.retries,
            dry_run=self.dry_run,
            interrupted=self.interrupted,
        )


class _ClusterEntry(msgspec.Struct, rename="camel", kw_only=True, frozen=True):
    name: str
    code: _Code | None = None
    seconds: float = 0.0
    message: str | None = None
    same_as: str | None = None
    error: ClusterError | None = None
    plan: _PlanObject | None = None
    report: _ReportObject | None = None

    @property
    def problem(self) -> str:
        wrong = next((o.problem for o in (self.plan, self.report) if o is not None and o.problem), "")
        return f"cluster {self.name!a}: {wrong}" if wrong else ""

    @property
    def result(self) -> ClusterResult:
        return ClusterResult(
            name=self.name,
            code=self.code,
            seconds=self.seconds,
            message=self.message or "",
            same_as=self.same_as or "",
            error=self.error,
            plan=None if self.plan is None else self.plan.result,
            report=None if self.report is None else self.report.result,
        )


class _FleetObject(_Head, rename="camel", kw_only=True, frozen=True):
    code: _Code
    clusters: tuple[_ClusterEntry, ...]
    seconds: float = 0.0
    dry_run: bool = False
    interrupted: bool = False

    @property
    def problem(self) -> str:
        return next(filter(None, (entry.problem for entry in self.clusters)), "")

    @property
    def result(self) -> FleetReport:
        return FleetReport(
            code=self.code,
            clusters=tuple(c.result for c in self.clusters),
            seconds=self.seconds,
            dry_run=self.dry_run,
            interrupted=self.interrupted,
        )


_OBJECTS: dict[str, type[_PlanObject | _ReportObject | _FleetObject]] = {
    "Plan": _PlanObject,
    "Report": _ReportObject,
    "FleetReport": _FleetObject,
}


def read_result(text: str | bytes, kind: type[_Result], *, source: str = "the text") -> _Result:
    """A result out of its JSON.

    Raises:
        UsageError: it is no JSON, or something else, or has names in it that are no CRD's.
    """
    what = is_none_of(source, kind)
    if not isinstance(text, str | bytes | bytearray):
        raise UsageError(f"{what}: it is no text but {type(text).__name__}")
    try:
        # Not msgspec's reader, which takes no half of a surrogate pair, as file names may have.
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{what}: {error}") from error
    return converted(whole, kind, what)


def is_none_of(source: str, kind: type[_Result]) -> str:
    """How a message about it begins."""
    return f"{source} is no {_WORDS.get(kind.__name__, kind.__name__)} of {_COMMANDS[kind.__name__]}"


def converted(whole: object, kind: type[_Result], what: str) -> _Result:
    """A result out of what JSON or YAML held; `what` begins the message if it is none.

    Raises:
        UsageError: it is something else, or has names in it that are no CRD's.
    """
    wanted = kind.__name__
    try:
        head = msgspec.convert(whole, _Head)
        if (head.api_version, head.kind) != (API_VERSION, wanted):
            raise UsageError(f"{what}: it is a {head.api_version} {head.kind}")
        found: _PlanObject | _ReportObject | _FleetObject = msgspec.convert(whole, _OBJECTS[wanted])
    except (msgspec.ValidationError, RecursionError) as error:
        raise UsageError(f"{what}: {error}") from error
    if found.problem:
        raise UsageError(f"{what}: {found.problem}")
    result: Plan | Report | FleetReport = found.result
    assert isinstance(result, kind)  # noqa: S101 -- for the type checker: chosen by `kind` above
    return result
