"""Counts the objects of a CRD that have managedFields entries in old versions, and who wrote these."""

from __future__ import annotations

import msgspec

from asyncmigrate._engine.crd_result import Stopped
from asyncmigrate._engine.lister import Lister
from asyncmigrate._engine.paging import Progress, not_checked
from asyncmigrate._engine.session import Session
from asyncmigrate._model import CRD, Page
from asyncmigrate._results.droppable import NotChecked
from asyncmigrate._rules.decisions.drop_reasons import VersionFacts
from asyncmigrate._rules.decisions.versions import list_versions
from asyncmigrate._rules.decisions.writers import WriterTally
from asyncmigrate.errors import BadAnswerError, MigrateError


class EntryCount:
    """One list of a CRD's objects, in memory that does not grow with them."""

    def __init__(self, session: Session, crd: CRD) -> None:
        self._session = session
        self._crd = crd
        self._prefix = f"{crd.group}/"
        self._begin()
        self.not_checked: tuple[NotChecked, ...] = ()

    def _begin(self) -> None:
        self._objects = 0
        self._counts: dict[str, int] = {}  # by version
        self._examples: dict[str, str] = {}
        self._writers = WriterTally()

    @property
    def objects(self) -> int | None:
        """How many there are; None where they could not all be listed."""
        return None if self.not_checked else self._objects

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that some entry of this group is in, the storage version left out."""
        return tuple(self._counts)

    def facts(self, version: str) -> VersionFacts:
        """What is known about a version from the list."""
        api_version = self._prefix + version
        return VersionFacts(
            crd=self._crd,
            version=version,
            objects=None if self.not_checked else self._counts.get(version, 0),
            example=self._examples.get(version, ""),
            writers=tuple(w for w in self._writers.writers if w.api_version == api_version),
        )

    async def run(self) -> None:
        crd = self._crd
        what = f"objects of {crd.name}"
        if not list_versions(crd):
            message, reason = "the CRD serves no version, so that they cannot be listed", "NoServedVersion"
            if crd.served_versions:
                reason = "StorageVersionNotServed"
                serve = f"serve {crd.storage_version}"
                message = f"the storage version is not served, and no served version is its like: {serve}"
            self.not_checked = (NotChecked(what=what, reason=reason, message=message),)
            return
        try:
            await self._list()
        except Stopped as stopped:
            error = stopped.__cause__
            if not isinstance(error, MigrateError):
                raise
            missing = not_checked(what, error)
            self.not_checked = (msgspec.structs.replace(missing, message=stopped.result.message),)
        except BadAnswerError as error:
            self.not_checked = (not_checked(what, error),)

    async def _list(self) -> None:
        lister = Lister(self._session, self._crd, self._session.pool.lane(kin=self._crd.domain))
        progress = Progress()
        while not lister.done:
            page = await lister.next_page()
            if lister.starts_over:
                self._begin()
                progress = Progress()
            if page is not None:
                progress.check(page)
                self._take(page)

    def _take(self, page: Page) -> None:
        self._objects += len(page.items)
        self._writers.add(page.writers)
        for ref in page.items:
            # The list keeps the entries of an object if any is in another version than the storage version.
            for api_version in {e.api_version for e in ref.entries if e.api_version.startswith(self._prefix)}:
                version = api_version.removeprefix(self._prefix)
                if version != self._crd.storage_version:
                    self._counts[version] = self._counts.get(version, 0) + 1
                    self._examples.setdefault(version, str(ref))
