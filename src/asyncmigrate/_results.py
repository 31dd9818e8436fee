"""What comes out: a Plan and a Report, and the parts of both. All of it is public and frozen."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from asyncmigrate._model import CRD, ObjectRef

OBJECTS_FAILED = "ObjectsFailed"  # the reason of a CRD all of whose other objects were settled


class SpecID(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What changes whenever a CRD's spec does, or the CRD is another: uid, generation and newest managedFields time."""

    uid: str
    generation: int
    changed: str


def spec_id(crd: CRD) -> SpecID:
    return SpecID(uid=crd.uid, generation=crd.generation, changed=crd.changed)


class Decision(StrEnum):
    """What to do about one CRD."""

    NEW = "new"
    CURRENT = "current"
    STALE = "stale"
    BLOCKED = "blocked"
    FAILED = "failed"


class Outcome(StrEnum):
    """What became of one CRD in a run."""

    SKIPPED = "skipped"
    MIGRATED = "migrated"
    INCOMPLETE = "incomplete"
    BLOCKED = "blocked"
    FAILED = "failed"


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What a manifest does to the versions of a CRD that is on the cluster.

    Attributes:
        added: versions that only the manifest has.
        dropped: versions that only the cluster has.
        unserved: versions that both have, and that the manifest no longer serves.
        storage_moves_to: the manifest's storage version where it is not the live one, else None.
    """

    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    unserved: tuple[str, ...] = ()
    storage_moves_to: str | None = None

    def __bool__(self) -> bool:
        return bool(self.added or self.dropped or self.unserved or self.storage_moves_to)


class PolicyRule(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One rule of an RBAC ClusterRole, in its words."""

    api_groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]

    def __str__(self) -> str:
        """As it stands in a ClusterRole's `rules`, on one line of YAML."""
        fields = {"apiGroups": self.api_groups, "resources": self.resources, "verbs": self.verbs}
        words = ", ".join(f"{field}: [{', '.join(values)}]" for field, values in fields.items())
        return f"- {{{words}}}"


class CRDPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The decision about one CRD.

    Attributes:
        name: the CRD's name, `<plural>.<group>`.
        decision: what to do.
        reason: the same in one CamelCase word, for programs.
        message: the same in a sentence, for people.
        live: the CRD as the cluster has it; None where it has none or could not be asked.
        changes: what the manifest changes; None without a manifest or without a live CRD.
        refused: the cluster could not be reached or refused us, which is why the decision is `failed`.
        waiting: how many objects a stale CRD has; None where the server does not say.
        missing: the rights that a migration needs and we have not, which is why the decision is `blocked`.
        webhook_error: what asking a stale CRD's conversion webhook came to; empty where it answers or there is none.
    """

    name: str
    decision: Decision
    reason: str
    message: str
    live: CRD | None = None
    changes: Changes | None = None
    refused: bool = False
    waiting: int | None = None
    missing: tuple[PolicyRule, ...] = ()
    webhook_error: str = ""

    @property
    def storage_version(self) -> str | None:
        return self.live.storage_version if self.live else None

    @property
    def stored_versions(self) -> tuple[str, ...]:
        return self.live.stored_versions if self.live else ()


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """How large a step an upgrade is: CRDs the manifests bring, change, and leave as they are."""

    new: int
    changed: int
    unchanged: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One decision for each CRD, sorted by name.

    Attributes:
        context: the kubeconfig context, or a word for where the connection came from.
        server: the API server's base URL.
        seconds: how long the planning took.
        crds: the decisions.
        requests: requests sent, retries included.
        retries: requests sent again after a failure.
    """

    context: str
    server: str
    seconds: float
    crds: tuple[CRDPlan, ...]
    requests: int
    retries: int

    def by_decision(self, decision: Decision) -> tuple[CRDPlan, ...]:
        return tuple(c for c in self.crds if c.decision is decision)

    @property
    def blocked(self) -> tuple[CRDPlan, ...]:
        return self.by_decision(Decision.BLOCKED)

    @property
    def stale(self) -> tuple[CRDPlan, ...]:
        return self.by_decision(Decision.STALE)

    @property
    def summary(self) -> Summary | None:
        """Counts new, changed and unchanged CRDs; None for a plan made without manifests."""
        compared = [c.changes for c in self.crds if c.changes is not None]
        new = len(self.by_decision(Decision.NEW))
        if not compared and not new:
            return None
        changed = sum(map(bool, compared))
        return Summary(new=new, changed=changed, unchanged=len(compared) - changed)


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


class Unfinished(msgspec.Struct, frozen=True, kw_only=True):
    """A CRD that a run left unfinished; see `Report.unfinished`.

    Attributes:
        name: the CRD's name.
        spec: what identifies the CRD's spec as that run found it.
        objects: the objects that failed, where all others were settled; None where the whole CRD is to be gone over.
    """

    name: str
    spec: SpecID | None = None
    objects: tuple[ObjectRef, ...] | None = None

    def objects_of(self, plan: CRDPlan) -> tuple[ObjectRef, ...] | None:
        """The objects that are left to do; None for all of them, as where the CRD's spec has changed since."""
        return self.objects if plan.live is not None and spec_id(plan.live) == self.spec else None


class CRDReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did about one CRD.

    Attributes:
        plan: the decision that the run began with.
        outcome: what became of it.
        reason: the outcome in one CamelCase word.
        message: the outcome in a sentence.
        objects: the counts.
        trimmed: `status.storedVersions` was stale and is now just the storage version.
        failures: the objects that failed; of very many the first thousand, `objects.failed` counts all.
        refused: the cluster stopped answering or refused us, which is why the outcome is `failed`.
    """

    plan: CRDPlan
    outcome: Outcome
    reason: str
    message: str
    objects: Objects = Objects()
    trimmed: bool = False
    failures: tuple[Failure, ...] = ()
    refused: bool = False

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def unfinished(self) -> Unfinished | None:
        """What is left of the CRD to do; None where it is migrated, or needed nothing."""
        if self.outcome in {Outcome.SKIPPED, Outcome.MIGRATED}:
            return None
        spec = spec_id(self.plan.live) if self.plan.live else None
        objects = None
        # Where others than the objects named are unsettled too, all have to be gone over.
        if self.reason == OBJECTS_FAILED and len(self.failures) == self.objects.failed:
            objects = tuple(ObjectRef(f.namespace, f.name) for f in self.failures)
        return Unfinished(name=self.name, spec=spec, objects=objects)


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

    def by_outcome(self, outcome: Outcome) -> tuple[CRDReport, ...]:
        return tuple(c for c in self.crds if c.outcome is outcome)

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
