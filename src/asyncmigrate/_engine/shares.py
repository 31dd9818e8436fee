"""One shard's share of a CRD: agrees with the other shards on what is whose, and finds out who is to finish."""

from __future__ import annotations

from functools import partial

from asyncmigrate._engine.crd_result import NOT_SERVED, CRDResult, Stopped, failed
from asyncmigrate._engine.pool import Lane
from asyncmigrate._engine.run_state import RunState
from asyncmigrate._engine.session import Session
from asyncmigrate._model import CRD
from asyncmigrate._results.report import Outcome
from asyncmigrate._rules.decisions.shard import Shard, is_cut
from asyncmigrate._rules.decisions.versions import list_versions
from asyncmigrate._rules.errors.classify import Action, Operation
from asyncmigrate._rules.safety.shard_marks import Part, agreed, finishes, marked, marks_key, part_of, spec_of
from asyncmigrate._state.content import Change, State, put_marks
from asyncmigrate.errors import MigrateError, StateError


class Share:
    """What of one CRD a run does. Without a shard it is everything."""

    def __init__(self, session: Session, state: RunState, shard: Shard | None) -> None:
        self._session = session
        self._state = state
        self._shard = shard
        self._finishes = shard is None

    @property
    def range(self) -> Shard | None:
        """The shard whose objects alone are to be gone over; None for all objects."""
        return None if self._finishes else self._shard

    async def part(self, crd: CRD, lane: Lane) -> Part:
        """What is ours to do.

        Raises:
            Stopped: that cannot be found out.
        """
        if self._finishes or (shard := self._shard) is None:
            return Part.ALL
        key = marks_key(self._state.key(crd.name), shard)
        known = self._state.marks(key)
        cut = known.cut if known is not None else await self._is_cut(crd, lane)
        agree = partial(agreed, spec=spec_of(crd), shard=shard, cut=cut, owner=shard.owner_of(crd.uid))
        state = await self._agree(put_marks(key, agree))
        # Whoever trimmed the CRD meanwhile has taken the marks away.
        part = part_of(agree(state.shards.get(key)), shard)
        self._finishes = part is Part.ALL
        return part

    async def done(self, crd: CRD) -> bool:
        """Say that our objects are settled; True if the rest is ours to do, and then all objects are.

        Raises:
            Stopped: that cannot be said, so that others would wait for us for ever.
        """
        if (shard := self._shard) is None:
            return True
        spec, key = spec_of(crd), marks_key(self._state.key(crd.name), shard)
        state = await self._agree(put_marks(key, partial(marked, spec=spec, shard=shard)))
        self._finishes = finishes(state.shards.get(key), spec, shard)
        return self._finishes

    async def _agree(self, change: Change) -> State:
        try:
            return await self._state.agree(change)
        except StateError as error:
            message = f"the shards cannot agree, for the state cannot be kept: {error}"
            raise Stopped(CRDResult(Outcome.FAILED, "StateNotKept", message)) from error

    async def _is_cut(self, crd: CRD, lane: Lane) -> bool:
        """Tell by one object and the number of those after it."""
        session = self._session
        resource, current = crd.resource(list_versions(crd)[0]), crd.storage_api_version
        try:
            page = await session.ask(
                Operation.LIST,
                lane,
                lambda: session.calls.list_page(resource, current=current, limit=1),
                doing=f"count {crd.name}",
                crd=crd.name,
            )
        except MigrateError as error:
            if session.classify(Operation.LIST, error) is Action.GONE:
                raise Stopped(failed(NOT_SERVED, error)) from error
            return True  # an object that no webhook converts, say: the list knows more ways
        if not page.continue_token:
            return is_cut(len(page.items))
        return is_cut(None if page.remaining is None else len(page.items) + page.remaining)
