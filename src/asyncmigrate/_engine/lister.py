"""The pages of one CRD's objects, through whichever served version lists them."""

from __future__ import annotations

import anyio
import msgspec

from asyncmigrate._engine.crd_result import NOT_SERVED, Stopped, failed
from asyncmigrate._engine.pool import Lane, LaneClosedError
from asyncmigrate._engine.retry import retry_after
from asyncmigrate._engine.session import Session
from asyncmigrate._model import CRD, Page
from asyncmigrate._rules.decisions.page_cursor import PageCursor
from asyncmigrate._rules.decisions.shard import Shard
from asyncmigrate._rules.decisions.versions import list_versions
from asyncmigrate._rules.errors.classify import Action, Operation, is_webhook_down
from asyncmigrate._rules.flow.retry_schedule import Schedule
from asyncmigrate.errors import APIError, MigrateError


class Lister:
    """One list, from its first page to its last: of all objects, or of those of one shard.

    The server is asked for the shard's alone. One that filters does not say so (PartialObjectMetadataList lacks the
    shardInfo of other lists), and most do not: what is others' is left out here.
    """

    def __init__(self, session: Session, crd: CRD, lane: Lane, shard: Shard | None = None) -> None:
        self._shard = shard
        self._session = session
        self._crd = crd
        self._lane = lane
        self._cursor = PageCursor(list_versions(crd))
        self._isolating = Schedule()
        self._began = anyio.current_time()
        self.starts_over = False  # the last page did not come, and the list begins again from its start

    @property
    def done(self) -> bool:
        return self._cursor.done

    async def next_page(self) -> Page | None:
        """Ask for the next page; None where the list has to be taken up elsewhere.

        Raises:
            Stopped: nothing lists what comes next.
        """
        restarts = self._cursor.restarts
        self.starts_over = False
        try:
            page = await self._ask()
        except LaneClosedError:
            return None
        except MigrateError as error:
            await self._take_up_elsewhere(error)
            self.starts_over = self._cursor.restarts > restarts
            return None
        self._cursor.got(page)
        self._isolating = Schedule()
        return page if self._shard is None else _of(self._shard, page)

    async def _ask(self) -> Page:
        session, cursor = self._session, self._cursor
        resource = self._crd.resource(cursor.version)
        selector = self._shard.selector if self._shard else ""

        async def ask() -> Page:
            current = self._crd.storage_api_version
            return await session.calls.list_page(
                resource, current=current, token=cursor.token, limit=cursor.limit, shard=selector
            )

        doing = f"list {self._crd.name}"
        return await session.ask(
            Operation.LIST, self._lane, ask, doing=doing, crd=self._crd.name, on_retry=cursor.failed
        )

    async def _take_up_elsewhere(self, error: MigrateError) -> None:
        """Prepare the next try at a page that did not come, or stop."""
        cursor = self._cursor
        action = self._session.classify(Operation.LIST, error)
        if action is Action.GONE:
            raise Stopped(failed(NOT_SERVED, error)) from error
        if action is Action.RESUME and isinstance(error, APIError) and cursor.expired(error.status):
            return
        if action is Action.ISOLATE and (cursor.unconvertible() or await self._once_more(error)):
            return
        # What a server says for good, such as `storage is (re)initializing`, it says of one version.
        if action is Action.RETRY and isinstance(error, APIError) and not is_webhook_down(error) and cursor.leave():
            return
        raise Stopped(failed("ListFailed", error, message=f"{error}{self._where()}")) from error

    async def _once_more(self, error: MigrateError) -> bool:
        """No version lists it now: the webhook that says so may yet think better of it."""
        if not self._isolating.tries:
            self._began = anyio.current_time()
        elapsed = anyio.current_time() - self._began
        wait = self._isolating.next_wait(self._session.policies.general, elapsed, retry_after(error))
        if wait is None:
            return False
        doing = f"list {self._crd.name}"
        self._session.retrying(doing, self._isolating.tries, wait, error, crd=self._crd.name)
        await anyio.sleep(wait)
        return True

    def _where(self) -> str:
        last = self._cursor.last
        return f" (the first object that is not listed comes after {last})" if last else ""


def _of(shard: Shard, page: Page) -> Page:
    """The shard's objects; a server that says how many remain counts all shards' objects."""
    remaining = None if page.remaining is None else page.remaining // shard.count
    return msgspec.structs.replace(page, items=tuple(o for o in page.items if shard.owns(o.uid)), remaining=remaining)
