"""What became of the objects of one list: the counts, the failures, and who waits for the last of them."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from asyncmigrate._engine.crd_result import CRDResult, Stopped
from asyncmigrate._model import ObjectRef
from asyncmigrate._results.report import Failure, Objects, Outcome
from asyncmigrate._rules.errors.classify import reason_of
from asyncmigrate.errors import APIError, MigrateError
from asyncmigrate.events import Event, ObjectFailed, ObjectSettled, Settled

KEPT_FAILURES = 1000  # of one CRD, with their words; more are only counted


class ObjectTally:
    """The objects of one CRD, and how many of them are still to be settled."""

    def __init__(self, crd: str, emit: Callable[[Event], None]) -> None:
        self._crd = crd
        self._emit = emit
        self.count_anew()

    def count_anew(self) -> None:
        """Begin another list of the same objects, with none of them pending."""
        self._counts = dict.fromkeys(Objects.__struct_fields__, 0)
        self.failures: list[Failure] = []
        self.pending = 0
        self._begun = 0  # tried, or settled without
        self._unlisted = 0  # as far as is known
        self._enough = 0  # `_fewer` is set when no more than so many objects are unsettled
        self._fewer = anyio.Event()

    @property
    def objects(self) -> Objects:
        return Objects(**self._counts)

    @property
    def untried(self) -> int:
        """How many objects, listed or known to follow, nobody has asked the server to write."""
        return self._counts["listed"] + self._unlisted - self._begun

    def listed(self, count: int, remaining: int | None) -> None:
        """Count objects that are to be added or are proven; `remaining` are on the pages that follow."""
        self._counts["listed"] += count
        self.pending += count
        self._unlisted = remaining or 0

    def begun(self) -> None:
        """Count an object that is tried for the first time."""
        self._begun += 1

    def proven(self, ref: ObjectRef, how: Settled) -> None:
        """Count an object that need not be tried."""
        self._begun += 1
        self.settled(ref, how)

    def settled(self, ref: ObjectRef, how: Settled) -> None:
        """Count an object that needs no more work."""
        self._counts[how] += 1
        self._emit(ObjectSettled(self._crd, ref.namespace, ref.name, how))
        self._done_with_one()

    def failed(self, ref: ObjectRef, attempts: int, error: MigrateError) -> None:
        """Count an object that is not tried any more."""
        status = error.status if isinstance(error, APIError) else None
        failure = Failure(
            namespace=ref.namespace,
            name=ref.name,
            code=status.code if status else 0,
            reason=reason_of(error),
            message=status.message if status else str(error),
            attempts=attempts,
        )
        self._counts["failed"] += 1
        if len(self.failures) < KEPT_FAILURES:
            self.failures.append(failure)
        self._emit(ObjectFailed(self._crd, failure))
        self._done_with_one()

    def _done_with_one(self) -> None:
        self.pending -= 1
        if self.pending <= self._enough:
            self._fewer.set()

    async def fewer_than(self, most: int) -> None:
        """Wait until no more than `most` objects are unsettled, or until woken."""
        self._enough, self._fewer = most, anyio.Event()
        await self._fewer.wait()

    def wake(self) -> None:
        self._fewer.set()

    def check_failures(self) -> None:
        """Raise Stopped if objects failed."""
        if failures := self._counts["failed"]:
            message = f"{failures} object(s) could not be rewritten; storedVersions is left as it is"
            raise Stopped(CRDResult(Outcome.INCOMPLETE, "ObjectsFailed", message))
