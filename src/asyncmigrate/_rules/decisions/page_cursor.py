"""Where a list goes on: page size, continue token, which served version to list through, and when to start over."""

from __future__ import annotations

from asyncmigrate._model import ObjectRef, Page, Status

PAGE_LIMIT = 500  # client-go's pager and kubectl use it too


class PageCursor:
    """The next page of one list.

    A failing page is asked for again in smaller pieces: fewer objects are converted in one go, so a slow webhook or a
    proxy with a short timeout gets through. Pages grow again as answers come.

    One object that cannot be converted fails every page that it is on, at last a page of its own. Such a page is asked
    for through the other served versions: one of them is that which the object is stored in, and needs no conversion.
    A continue token goes for all versions, since it names the last key read.
    """

    MAX_RESTARTS = 3
    MAX_EXPIRED = 10  # in a row, without a page between them

    def __init__(self, versions: tuple[str, ...], limit: int = PAGE_LIMIT) -> None:
        self._versions = versions
        self._route = 0
        self._home = 0
        self._full = limit
        self.limit = limit
        self.token = ""
        self.done = False
        self.restarts = 0
        self._expired = 0
        self.last: ObjectRef | None = None

    @property
    def version(self) -> str:
        """The version to list through."""
        return self._versions[self._route]

    def got(self, page: Page) -> None:
        self.token = page.continue_token
        self.done = not page.continue_token
        self.limit = min(self._full, self.limit * 2)
        self._route = self._home
        self._expired = 0
        self.last = page.items[-1] if page.items else self.last

    def failed(self) -> None:
        """The page did not come, but may yet: ask for a smaller one."""
        self.limit = max(1, self.limit // 4)

    def unconvertible(self) -> bool:
        """An object on the page cannot be converted: find it. False where no version lists it."""
        if self.limit > 1:
            self.failed()
            return True
        self._route = (self._route + 1) % len(self._versions)
        return self._route != self._home

    def leave(self) -> bool:
        """This version does not list any more: go on through the next for good; False where there is none."""
        if self._home + 1 == len(self._versions):
            return False
        self._home += 1
        self._route = self._home
        self.limit = self._full
        return True

    def expired(self, status: Status) -> bool:
        """Go on after a 410; False where the list has expired or been started over too often to end.

        The token in the 410's body goes on from the same place over newer data. That is safe here: what is listed
        twice is rewritten twice, and what was created since was written in the storage version.
        """
        self.token = status.continue_token
        self._expired += 1
        if not self.token:
            self.restarts += 1
        return self.restarts <= self.MAX_RESTARTS and self._expired <= self.MAX_EXPIRED
