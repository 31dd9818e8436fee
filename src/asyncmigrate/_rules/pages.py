"""Where a list stands: which page comes next, how large, and what an expired token or a failing page changes."""

from __future__ import annotations

from asyncmigrate._model import Page, Status

PAGE_LIMIT = 500  # client-go's pager and kubectl use it too


class Frontier:
    """The next page of one list.

    A failing page is asked for again in smaller pieces: fewer objects are converted in one go, so a slow webhook or a
    proxy with a short timeout gets through. Pages grow again as answers come.
    """

    MAX_RESTARTS = 3

    def __init__(self, limit: int = PAGE_LIMIT) -> None:
        self._full = limit
        self.limit = limit
        self.token = ""
        self.done = False
        self.restarts = 0

    def got(self, page: Page) -> None:
        self.token = page.continue_token
        self.done = not page.continue_token
        self.limit = min(self._full, self.limit * 2)

    def failed(self) -> None:
        self.limit = max(1, self.limit // 4)

    def expired(self, status: Status) -> bool:
        """Go on after a 410; False where the list has been started over too often to end.

        The token in the 410's body goes on from the same place over newer data. That is safe here: what is listed
        twice is rewritten twice, and what was created since was written in the storage version.
        """
        self.token = status.continue_token
        if not self.token:
            self.restarts += 1
        return self.restarts <= self.MAX_RESTARTS
