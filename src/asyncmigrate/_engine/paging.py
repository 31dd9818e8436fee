"""Reads lists of other things than a CRD's objects to their end, page by page, and says what could not be read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from asyncmigrate._engine.pool import Lane
from asyncmigrate._engine.session import Session
from asyncmigrate._model import Page
from asyncmigrate._results.droppable import NotChecked
from asyncmigrate._rules.decisions.page_cursor import PAGE_LIMIT, PageCursor
from asyncmigrate._rules.errors.classify import Action, Operation, reason_of
from asyncmigrate.errors import APIError, ConfigError, MigrateError, UnauthorizedError


class _AnyPage(Protocol):
    @property
    def continue_token(self) -> str: ...


P = TypeVar("P", bound=_AnyPage)


async def read_pages(
    session: Session,
    lane: Lane,
    ask: Callable[[str, int], Awaitable[P]],
    *,
    doing: str,
    begin: Callable[[], None],
    take: Callable[[P], None],
    limit: int = PAGE_LIMIT,
) -> None:
    """Have each page taken; `ask` gets a continue token and a limit. `begin` is called where the list begins anew.

    A list that expires again and again is given up, as one of a CRD's objects is.

    Raises:
        MigrateError: a page does not come.
    """
    cursor = PageCursor(("",), limit)
    begin()
    while not cursor.done:
        restarts = cursor.restarts

        async def once() -> P:
            return await ask(cursor.token, cursor.limit)

        try:
            page = await session.ask(Operation.LIST, lane, once, doing=doing, on_retry=cursor.failed)
        except APIError as error:
            if session.classify(Operation.LIST, error) is not Action.RESUME or not cursor.expired(error.status):
                raise
            if cursor.restarts > restarts:
                begin()
            continue
        cursor.got(Page(items=(), continue_token=page.continue_token))
        take(page)


def not_checked(what: str, error: MigrateError) -> NotChecked:
    """An error that only means that something is not known; one that goes for the whole cluster is raised."""
    if isinstance(error, UnauthorizedError | ConfigError):
        raise error
    return NotChecked(what=what, reason=reason_of(error), message=str(error))
