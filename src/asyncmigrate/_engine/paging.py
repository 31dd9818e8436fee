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
from asyncmigrate.errors import APIError, BadAnswerError, ConfigError, MigrateError, UnauthorizedError


class _AnyPage(Protocol):
    @property
    def continue_token(self) -> str: ...
    @property
    def remaining(self) -> int | None: ...


P = TypeVar("P", bound=_AnyPage)


class Progress:
    """Tells a list that has no end, or none that is to be believed: an aggregated API may answer anything."""

    def __init__(self) -> None:
        self._tokens: set[str] = set()

    def check(self, page: _AnyPage) -> None:
        """Look at a page.

        Raises:
            BadAnswerError: its continue token is one that was sent before; or it has none, and more should come.
        """
        token = page.continue_token
        if token and token in self._tokens:
            raise BadAnswerError("the list has no end: the server gives the same continue token again")
        if not token and page.remaining:
            raise BadAnswerError(f"the list ends, but the server says that {page.remaining} more objects remain")
        self._tokens.add(token)


async def read_pages(
    session: Session,
    lane: Lane,
    ask: Callable[[str, int], Awaitable[P]],
    *,
    doing: str,
    crd: str = "",
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
    progress = Progress()
    begin()
    while not cursor.done:
        restarts = cursor.restarts

        async def once() -> P:
            return await ask(cursor.token, cursor.limit)

        try:
            # Not as long as a webhook may take: one that is down for good would hold up all the rest.
            policy = session.policies.general
            page = await session.ask(
                Operation.LIST, lane, once, doing=doing, crd=crd, on_retry=cursor.failed, policy=policy
            )
        except APIError as error:
            if session.classify(Operation.LIST, error) is not Action.RESUME or not cursor.expired(error.status):
                raise
            if cursor.restarts > restarts:
                begin()
                progress = Progress()
            continue
        progress.check(page)
        cursor.got(Page(items=(), continue_token=page.continue_token))
        take(page)


def not_checked(what: str, error: MigrateError, *, refusal: bool = False) -> NotChecked:
    """An error that only means that something is not known; one that goes for the whole cluster is raised.

    A 401 is a `refusal` by one API where that may be an aggregated one, which may know other users than the cluster.
    """
    if isinstance(error, ConfigError) or (isinstance(error, UnauthorizedError) and not refusal):
        raise error
    return NotChecked(what=what, reason=reason_of(error), message=str(error))
