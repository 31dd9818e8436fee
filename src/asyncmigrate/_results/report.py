"""What `run` returns: a Report, what became of each CRD, and the objects that failed."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from asyncmigrate._model import Writer
from asyncmigrate._results import outward
from asyncmigrate._results.plan import CRDPlan, first_of, member, spec_id
from asyncmigrate._results.unfinished import Progress, Unfinished
from asyncmigrate.errors import BlockedError, IncompleteError

PLAN_BLOCKED = "PlanBlocked"  # the reason of a stale CRD that was left because others are blocked


class Outcome(StrEnum):
    """What became of one CRD in a run."""

    SKIPPED = "skipped"
    MIGRATED = "migrated"
    INCOMPLETE = "incomplete"
    BLOCKED = "blocked"
    FAILED = "failed"


class TrimmedBy(StrEnum):
    """Who wrote `status.storedVersions`."""

    THIS_RUN = "this run"
    OTHERS = "others"


class PrunedObjects(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a dry run found of the fields that rewriting objects would remove.

    Attributes:
        fields: the fields that some object has, as paths.
        objects: how many objects have any of them.
        read: how many objects were read.
        example: one that has some, as `namespace/name`; empty where none has.
    """

    fields: tuple[str, ...] = ()
    objects: int = 0
    read: int = 0
    example: str = ""


class Objects(msgspec.Struct, frozen=True, kw_only=True):
    """How many objects of one CRD (or of all) a run listed, and how they were settled.

    Attributes:
        listed: objects that the lists showed.
        proven: known to be in the storage version from the list, and where it is kept the record of an earlier run.
        rewritten: encoded anew by this run, or written by someone else since the list.
        unchanged: asked for, and found to be in the storage version already.
        gone: deleted since the list.
        failed: not settled; each has a Failure.
    """

    listed: int = 0
    proven: int = 0
    rewritten: int = 0
    unchanged: int = 0
    gone: int = 0
    failed: int = 0

    @property
    def settled(self) -> int:
        return self.proven + self.rewritten + self.unchanged + self.gone


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One object that could not be settled, with the server's own words.

    `namespace` is empty for cluster-scoped objects. `code` is 0 where no answer came. `attempts` counts from 1.
    """

    namespace: str
    name: str
    code: int
    reason: str
    message: str
    attempts: int


class OwnersLeft(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a field manager still owns in an old version, because it could not be moved to the storage version.

    Attributes:
        manager: the field manager.
        api_version: the old version.
        fields: some of the fields, as paths; empty where all that it owns there was left.
        objects: how many objects that goes for.
    """

    manager: str
    api_version: str
    fields: tuple[str, ...] = ()
    objects: int = 0


class CRDReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did about one CRD.

    Attributes:
        plan: the decision that the run began with.
        outcome: what became of it.
        reason: the outcome in one CamelCase word.
        message: the outcome in a sentence.
        objects: the counts.
        trimmed_by: who trimmed `status.storedVersions`, which was stale and is now just the storage version; None where
            it was not trimmed.
        failures: the objects that failed; of very many the first thousand, `objects.failed` counts all.
        progress: from where on every newer object is in the storage version; None where that is not known.
        pruning: what a dry run found of fields that would be removed; None where it did not look.
        refused: the cluster stopped answering or refused us, which is why the outcome is `failed`.
        writers: who has written its objects and through which version, as the last list showed it.
        owners_left: who still owns fields in an old version after this run.
    """

    plan: CRDPlan
    outcome: Outcome
    reason: str
    message: str
    objects: Objects = Objects()
    trimmed_by: TrimmedBy | None = None
    failures: tuple[Failure, ...] = ()
    progress: Progress | None = None
    pruning: PrunedObjects | None = None
    refused: bool = False
    writers: tuple[Writer, ...] = ()
    owners_left: tuple[OwnersLeft, ...] = ()

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def trimmed(self) -> bool:
        """`status.storedVersions` was stale and is now just the storage version."""
        return self.trimmed_by is not None

    @property
    def unfinished(self) -> Unfinished | None:
        """What is left of the CRD to do; None where it is migrated, or needed nothing."""
        waits = self.reason == PLAN_BLOCKED
        if self.outcome is Outcome.MIGRATED or (self.outcome is Outcome.SKIPPED and not waits):
            return None
        spec = spec_id(self.plan.live) if self.plan.live else None
        return Unfinished(name=self.name, spec=spec, progress=self.progress)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did, CRD by CRD, in the plan's order.

    `dry_run` tells a rehearsal (nothing was changed), `interrupted` a run that was cancelled: what it had done by then
    is here, and a later run has only the rest to do. The other fields are those of Plan.
    """

    context: str
    server: str
    seconds: float
    crds: tuple[CRDReport, ...]
    requests: int
    retries: int
    dry_run: bool = False
    interrupted: bool = False

    def by_outcome(self, outcome: Outcome | str) -> tuple[CRDReport, ...]:
        """The CRDs of one outcome, such as `Outcome.FAILED` or "failed"; UsageError for a word that is none."""
        wanted = member(Outcome, outcome)
        return tuple(c for c in self.crds if c.outcome is wanted)

    def raise_for_outcome(self) -> None:
        """Raise an error that carries this report, unless all is done (`ok`).

        Raises:
            BlockedError: CRDs are blocked, and nothing was written.
            IncompleteError: something is incomplete or failed, was left blocked while other CRDs were migrated, or the
                run was interrupted.
        """
        if self.ok:
            return
        undone = {outcome: [(c.name, c.message) for c in self.by_outcome(outcome)] for outcome in Outcome}
        wrote = bool(undone[Outcome.MIGRATED] or undone[Outcome.INCOMPLETE] or self.objects.listed)
        if undone[Outcome.BLOCKED] and not wrote:
            raise BlockedError(first_of("blocked", undone[Outcome.BLOCKED]), report=self)
        for outcome in (Outcome.FAILED, Outcome.INCOMPLETE, Outcome.BLOCKED):
            if undone[outcome]:
                raise IncompleteError(first_of(outcome, undone[outcome]), report=self)
        raise IncompleteError("the run was interrupted: run again to do the rest", report=self)

    def to_json(self) -> str:
        """This report as one JSON object, in the contract that README describes; `from_json` brings it back."""
        return outward.to_json(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> Report:
        """Read what `to_json`, or `asyncmigrate run -o json`, has written; UsageError where it is something else."""
        return outward.from_json(text, Report)

    def render(self, *, width: int = 100) -> str:
        """This report as text for people, in lines of at most `width` columns, without colours."""
        return outward.render(self, width)

    @property
    def ok(self) -> bool:
        """Nothing is blocked, failed or incomplete."""
        return all(c.outcome in {Outcome.SKIPPED, Outcome.MIGRATED} for c in self.crds) and not self.interrupted

    @property
    def unfinished(self) -> tuple[Unfinished, ...]:
        """What is left to do, for `run(..., unfinished=...)`; empty after a rehearsal, which does nothing."""
        return () if self.dry_run else tuple(u for c in self.crds if (u := c.unfinished))

    @property
    def objects(self) -> Objects:
        """The counts over all CRDs."""
        fields = Objects.__struct_fields__
        return Objects(**{f: sum(getattr(c.objects, f) for c in self.crds) for f in fields})
