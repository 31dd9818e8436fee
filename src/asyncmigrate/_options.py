"""The options of `plan` and `run`: defaults, units and checks, once for the library and for the command."""

from __future__ import annotations

from enum import StrEnum
from numbers import Integral, Real
from typing import Self

import msgspec

from asyncmigrate._rules.decisions.shard import Shard
from asyncmigrate._rules.flow.retry_schedule import DEFAULT_POLICY, WEBHOOK_POLICY, RetryPolicy
from asyncmigrate._rules.safety.move_age import SETTLE_SECONDS
from asyncmigrate._rules.safety.proof import PROOF_MARGIN
from asyncmigrate.errors import UsageError


class ManagedFields(StrEnum):
    """What to do about managedFields entries that are in an old version."""

    MOVE = "move"
    KEEP = "keep"

    @classmethod
    def of(cls, word: str) -> Self:
        _check(word in list(cls), f"managed_fields is {word!r}: it must be move or keep")
        return cls(word)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What `plan` and `run` share.

    Attributes:
        max_in_flight: requests in flight at once, over all CRDs; beside them up to half as many that are out for long.
        retry_policy: how long to try again what can get better: for each lookup, object or call.
        webhook_policy: the same if a webhook does not answer: certificates being rotated take 60 to 90 s.
    """

    max_in_flight: int = 32
    retry_policy: RetryPolicy = DEFAULT_POLICY
    webhook_policy: RetryPolicy = WEBHOOK_POLICY

    def __post_init__(self) -> None:
        most = self.max_in_flight
        _check(_is_number(most, Integral) and most >= 1, f"max_in_flight is {most!r}: it must be a number, at least 1")
        for name in ("retry_policy", "webhook_policy"):
            value = getattr(self, name)
            _check(isinstance(value, RetryPolicy), f"{name} is {value!r}: it must be a RetryPolicy")

    def _check_booleans(self, *names: str) -> None:
        """Refuse what is not True or False: the text "false" would be taken for a yes."""
        for name in names:
            value = getattr(self, name)
            _check(isinstance(value, bool), f"{name} is {value!r}: it must be True or False")

    def _check_seconds(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            _check(_is_number(value) and value >= 0, f"{name} is {value!r}: it must be a number of seconds, at least 0")


class PlanOptions(Options, frozen=True, kw_only=True):
    """How to plan.

    Attributes:
        allow_pruning: migrate even if the storage version's schema lacks fields that older objects may have.
        clean_only: not stale CRDs are to be worked on, but those whose objects may have managedFields in old versions.
        ignore_not_found: a CRD that was named, and is not on the cluster, is new; otherwise it is failed.
        drop: a version of which is to be said for each CRD whether it can be dropped.
        counts_within: seconds to wait for the number of objects and for conversion webhooks, once all CRDs are looked
            up and our rights are known; 0 does not ask, None waits until each has answered or had its 5 s.
    """

    allow_pruning: bool = False
    clean_only: bool = False
    ignore_not_found: bool = False
    drop: str | None = None
    counts_within: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_booleans("allow_pruning", "clean_only", "ignore_not_found")
        _check(self.drop is None or isinstance(self.drop, str), f"drop is {self.drop!r}: give a version, such as 'v1'")
        if self.counts_within is not None:
            self._check_seconds("counts_within")


class RunOptions(Options, frozen=True, kw_only=True):
    """How to run.

    Attributes:
        dry_run: send every write with `dryRun=All`.
        skip_blocked: migrate the stale CRDs even if others are blocked.
        rate: at most so many objects a second, over all CRDs; None for as many as the server takes.
        settle: how many seconds ago a CRD's storage version must have moved before its objects are listed.
        proof_margin: seconds by which an object must have been written later than its CRD to need no rewriting.
        rewrite_all: rewrite every object, even if it is known to be in the storage version.
        shard: the index and the number of shards, if the objects are divided among several processes.
        managed_fields: `move` the managedFields of objects to the storage version, or `keep` them as they are.
        record_events: record a Kubernetes Event about each CRD that was migrated, or could not be.
    """

    dry_run: bool = False
    skip_blocked: bool = False
    rate: float | None = None
    settle: float = SETTLE_SECONDS
    proof_margin: float = PROOF_MARGIN
    rewrite_all: bool = False
    managed_fields: ManagedFields = ManagedFields.MOVE
    record_events: bool = False
    shard: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_booleans("dry_run", "skip_blocked", "rewrite_all", "record_events")
        self._check_seconds("settle", "proof_margin")
        rate = self.rate
        _check(
            rate is None or (_is_number(rate) and rate > 0),
            f"rate is {rate!r}: it must be a number of objects a second, more than 0",
        )
        if self.shard is not None:
            Shard.of(self.shard)
            _check(not self.dry_run, "a dry run has no shard: it writes nothing that others could go by")
            _check(not self.rewrite_all, "rewrite_all and shard exclude each other: the last shard would rewrite all")

    @property
    def proves(self) -> bool:
        """Objects that are known to be in the storage version are not rewritten."""
        return not (self.rewrite_all or self.dry_run)


def _is_number(value: object, kind: type = Real) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _check(holds: bool, message: str) -> None:  # noqa: FBT001 -- the condition and its message, as in assert
    if not holds:
        raise UsageError(message)
