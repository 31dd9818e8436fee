"""What `plan` returns: a Plan, the decision about each CRD, and what a manifest changes."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar

import msgspec

from asyncmigrate._model import CRD
from asyncmigrate._results import outward
from asyncmigrate._results.droppable import Droppable
from asyncmigrate.errors import BlockedError, UsageError


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


_Word = TypeVar("_Word", bound=StrEnum)


def member(words: type[_Word], word: str) -> _Word:
    try:
        return words(word)
    except ValueError:
        known = ", ".join(words)
        raise UsageError(f"{word!r} is no {words.__name__.lower()}: it must be one of {known}") from None


class Changes(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a manifest does to the versions of a CRD that is on the cluster.

    Attributes:
        added: versions that only the manifest has.
        dropped: versions that only the cluster has.
        unserved: versions that both have, and that the manifest no longer serves.
        storage_moves_to: the manifest's storage version where it is not the live one, else None.
        prunes: fields that live objects may have and that the manifest's schemas lack. The upgrade itself removes none;
            the first write of an object after it does, and so does the next migration.
        requires: fields that the manifest's storage version requires, without a default, and the live one does not.
    """

    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    unserved: tuple[str, ...] = ()
    storage_moves_to: str | None = None
    prunes: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, field) for field in self.__struct_fields__)


class PolicyRule(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One rule of an RBAC ClusterRole, in its words; without `resource_names` it is about all objects."""

    api_groups: tuple[str, ...]
    resources: tuple[str, ...]
    resource_names: tuple[str, ...] = ()
    verbs: tuple[str, ...]

    def __str__(self) -> str:
        """As it stands in a ClusterRole's `rules`, on one line of YAML."""
        fields = {
            "apiGroups": self.api_groups,
            "resources": self.resources,
            "resourceNames": self.resource_names,
            "verbs": self.verbs,
        }
        words = ", ".join(f"{field}: [{', '.join(map(_word, values))}]" for field, values in fields.items() if values)
        return f"- {{{words}}}"


def _word(value: str) -> str:
    """A word of a rule as YAML takes it: the core group's name is empty, and `*` begins an alias."""
    return value if value and value != "*" else f'"{value}"'


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
        missing: the rights that a migration needs and we have not, which is why the decision is `blocked`; or `failed`,
            if the CRD itself may not be read.
        unanswered: the objects were not counted, or the webhook not asked, in the time that there was for it.
        webhook_error: what asking a stale CRD's conversion webhook came to; empty where it answers or there is none.
        droppable: whether the version that was asked about can be dropped; None if there is no such version.
    """

    name: str
    decision: Decision
    reason: str
    message: str
    live: CRD | None = None
    changes: Changes | None = None
    refused: bool = False
    waiting: int | None = None
    unanswered: bool = False
    missing: tuple[PolicyRule, ...] = ()
    webhook_error: str = ""
    droppable: Droppable | None = None

    @property
    def storage_version(self) -> str | None:
        return self.live.storage_version if self.live else None

    @property
    def only_cleans(self) -> bool:
        """Its storedVersions are as they should be: only managedFields are to be moved to the storage version."""
        return self.decision is Decision.STALE and self.stored_versions == (self.storage_version,)

    @property
    def stored_versions(self) -> tuple[str, ...]:
        return self.live.stored_versions if self.live else ()


def first_of(which: str, messages: Sequence[tuple[str, str]]) -> str:
    """The first of some CRDs, as name and message, and how many more there are."""
    (name, message), *more = messages
    return f"{which}: {name}: {message}{f' (and {len(more)} more)' if more else ''}"


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

    def by_decision(self, decision: Decision | str) -> tuple[CRDPlan, ...]:
        """The CRDs of one decision, such as `Decision.STALE` or "stale"; UsageError for a word that is none."""
        wanted = member(Decision, decision)
        return tuple(c for c in self.crds if c.decision is wanted)

    def raise_if_blocked(self) -> None:
        """Raise BlockedError, which carries this plan, if any CRD is blocked."""
        if self.blocked:
            raise BlockedError(first_of("blocked", [(c.name, c.message) for c in self.blocked]), plan=self)

    def to_json(self) -> str:
        """This plan as one JSON object, in the contract that README describes; `from_json` brings it back."""
        return outward.to_json(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> Plan:
        """Read what `to_json`, or `asyncmigrate plan -o json`, has written; UsageError where it is something else."""
        return outward.from_json(text, Plan)

    def render(self, *, width: int = 100) -> str:
        """This plan as text for people, in lines of at most `width` columns, without colours."""
        return outward.render(self, width)

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
