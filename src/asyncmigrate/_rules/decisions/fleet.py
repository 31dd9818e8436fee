"""Which clusters of a fleet begin next, why no more begin, and the exit code of the whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from asyncmigrate._rules.decisions.exit_codes import Exit
from asyncmigrate._rules.decisions.phrases import and_words, count
from asyncmigrate.errors import UsageError

MAX_CLUSTERS = 4
_NAMED = 5  # of very many clusters, in a message
# From the worst on. An interrupted fleet must be run again whatever else it met. Then what no second run makes better
# (wrong usage; blocked, which needs a person), then what may pass by itself, then what failed in parts.
_WORST_FIRST = (Exit.INTERRUPTED, Exit.USAGE, Exit.BLOCKED, Exit.UNREACHABLE, Exit.FAILED, Exit.OK)


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of one fleet.

    Attributes:
        names: the clusters, in the order they were given in.
        max_clusters: so many are worked on at once.
        canary: these go first, and all must end with exit code 0 before the rest begin.
        stop_after: once so many have ended with another exit code than 0 no more begin; None for no such number.
    """

    names: tuple[str, ...]
    max_clusters: int = MAX_CLUSTERS
    canary: frozenset[str] = frozenset()
    stop_after: int | None = None

    def __post_init__(self) -> None:
        if not self.names:
            raise UsageError("no clusters are given: name at least one")
        if twice := sorted({n for n in self.names if self.names.count(n) > 1}):
            raise UsageError(f"cluster {twice[0]!r} is given twice: give each a name of its own")
        if unknown := sorted(self.canary - set(self.names)):
            raise UsageError(f"canary {unknown[0]!r} is not among the clusters: {_some(self.names)}")
        _check_number("max_clusters", self.max_clusters)
        if self.stop_after is not None:
            _check_number("stop_after", self.stop_after)

    @property
    def order(self) -> tuple[str, ...]:
        """All of them, the canaries first."""
        return tuple(sorted(self.names, key=lambda name: name not in self.canary))


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How far a fleet is: which clusters are being worked on, and the exit codes of those that have ended."""

    running: frozenset[str] = frozenset()
    codes: Mapping[str, Exit] = {}


def to_begin(rollout: Rollout, standing: Standing) -> tuple[str, ...]:
    """The clusters that may begin now, in their order."""
    if why_stopped(rollout, standing):
        return ()
    waiting = [n for n in rollout.order if n not in standing.running and n not in standing.codes]
    canaries = [n for n in waiting if n in rollout.canary]
    are_all_green = rollout.canary <= standing.codes.keys()  # or it would have stopped
    room = max(0, rollout.max_clusters - len(standing.running))
    return tuple((waiting if are_all_green else canaries)[:room])


def why_stopped(rollout: Rollout, standing: Standing) -> str:
    """Why no more clusters begin, as a sentence; empty if they do."""
    failed = [n for n in rollout.order if standing.codes.get(n, Exit.OK) is not Exit.OK]
    red = [n for n in failed if n in rollout.canary]
    if red:
        what = and_words([f"{n!r} (exit code {standing.codes[n]:d})" for n in red])
        failed_ones = f"canary {what}" if len(red) == 1 else f"canaries {what}"
        return f"not tried: {failed_ones} failed, and the rest begin only once all canaries are done"
    if rollout.stop_after is not None and len(failed) >= rollout.stop_after:
        return f"not tried: {count(len(failed), 'cluster')} failed, and no more begin after {rollout.stop_after}"
    return ""


def worst(codes: Iterable[Exit]) -> Exit:
    """The exit code of a fleet: the worst of its clusters'."""
    return min(codes, key=_WORST_FIRST.index, default=Exit.OK)


class Identity(msgspec.Struct, frozen=True):
    """What tells one cluster from another: its address, and the uid of its kube-system, empty where that is not known.

    The uid alone does not: a cluster made from another's backup has it too. Nor does the address: behind one address a
    proxy may choose the cluster by the user, as Teleport's does.
    """

    server: str
    uid: str

    @property
    def is_known(self) -> bool:
        """Whether another cluster with the same identity is this one for certain."""
        return bool(self.uid)


def _check_number(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise UsageError(f"{name} is {value!r}: it must be a number, at least 1")


def _some(names: tuple[str, ...]) -> str:
    """The names, but of very many only the first."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
