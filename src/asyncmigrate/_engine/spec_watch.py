"""Watches the spec of a CRD whose objects are being written, and stops the writes when it changes.

A conversion that is missing for a while makes every write store an unconverted object under the new version: an
installer that replaces the CRD does that. So a change must be noticed within two seconds, and not only before the trim.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from asyncmigrate._engine.crd_result import SpecChanged, Stopped, failed
from asyncmigrate._engine.rewriter import Rewriter
from asyncmigrate._engine.session import Session
from asyncmigrate._engine.trimmer import Trimmer
from asyncmigrate._model import CRD, CRDGlance
from asyncmigrate._rules.errors.classify import Operation
from asyncmigrate._rules.safety.resource_versions import is_newer
from asyncmigrate._rules.safety.spec_changes import Effect, spec_change
from asyncmigrate.errors import MigrateError, NotFoundError

# Between the answer to a look and the next look, which costs the server a tenth of a rewrite or less; and how long
# writes go on without its answer. Together they are the two seconds.
LOOK_SECONDS = 1.0
BLIND_SECONDS = 1.0
_ANSWER_SECONDS = 5.0  # for one look, before it is tried again


class SpecWatch:
    """The looks at one CRD for as long as the objects of one list are written."""

    def __init__(self, session: Session, crd: CRD, trimmer: Trimmer) -> None:
        self._session = session
        self._crd = crd
        self._trimmer = trimmer
        self._lane = session.pool.lane(windowed=False)

    async def check(self) -> None:
        """Look at the CRD once more, if the last look was a while ago: before the first write it must be as planned.

        Raises:
            SpecChanged: it is not as it was.
        """
        seen = self._session.calls.sightings.last_seen(self._crd, time.monotonic())
        if seen is None or seen > LOOK_SECONDS:
            await self._decide_anew(unseen=True)

    async def keep(self, rewriter: Rewriter) -> None:
        """Look every so often until the CRD is trimmed; a change of the spec stops the writes.

        The looks also tell that the server was away, when nothing else is sent: while all retries wait, say.
        """
        while True:
            await anyio.sleep(LOOK_SECONDS)
            try:
                with self._held_when_late(rewriter):
                    glance = await self._look()
                if not self._is_as_it_was(glance):
                    rewriter.hold(held=True)  # for the time of a closer look
                    await self._decide_anew(wrote=rewriter.sent > 0)
                    rewriter.hold(held=False)
            except Stopped as stopped:
                rewriter.stop(stopped)
                return

    async def _look(self) -> CRDGlance | None:
        session, name = self._session, self._crd.name
        try:
            return await session.ask(
                Operation.LOOK_UP,
                self._lane,
                lambda: session.calls.glance(name, within=_ANSWER_SECONDS),
                doing=f"look at CRD {name}",
                crd=name,
            )
        except NotFoundError:
            return None
        except MigrateError as error:
            raise Stopped(failed("LookupFailed", error)) from error

    def _is_as_it_was(self, glance: CRDGlance | None) -> bool:
        crd = self._crd
        if glance is None or (glance.uid, glance.generation) != (crd.uid, crd.generation):
            return False
        if is_newer(crd.resource_version, glance.resource_version):
            return False
        self._session.calls.sightings.confirm(crd.name, time.monotonic())
        return True

    async def _decide_anew(self, *, wrote: bool = False, unseen: bool = False) -> None:
        fresh = await self._trimmer.fresh(self._crd.name)
        change = spec_change(self._crd, fresh, wrote=wrote, unseen=unseen)
        if change.effect is not Effect.NONE:
            raise SpecChanged(change, fresh)

    @contextmanager
    def _held_when_late(self, rewriter: Rewriter) -> Iterator[None]:
        late = asyncio.get_running_loop().call_later(BLIND_SECONDS, lambda: rewriter.hold(held=True))
        try:
            yield
        finally:
            late.cancel()
        rewriter.hold(held=False)
