"""Counts, in a dry run, the objects that hold fields which a rewrite would remove for good."""

from __future__ import annotations

from typing import Any

import msgspec

from asyncmigrate._cluster.decode.crds import Schemas
from asyncmigrate._engine.crd_result import Stopped, failed
from asyncmigrate._engine.paging import read_pages
from asyncmigrate._engine.session import Session
from asyncmigrate._model import CRD, Resource
from asyncmigrate._results.report import PrunedObjects
from asyncmigrate._rules.decisions.decide import fields_in_words
from asyncmigrate._rules.errors.classify import Operation
from asyncmigrate._rules.safety.nulls import removed_from
from asyncmigrate.errors import MigrateError

_PAGE = 100  # whole objects, of up to 1.5 MB each
_FIELDS = 100  # paths that are named


class _Page(msgspec.Struct, frozen=True):
    """The objects of a page, each with the fields that it would lose."""

    lost: dict[str, tuple[str, ...]]
    continue_token: str
    remaining: int | None = None


class PruningCount:
    """Reads the objects of one CRD through their old versions: through the storage version the fields do not show."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lane = session.pool.lane(windowed=False)
        self._fields: dict[str, None] = {}
        self._served = True
        self._begin()

    @property
    def found(self) -> PrunedObjects:
        return PrunedObjects(fields=tuple(self._fields), objects=self._objects, read=self._read, example=self._example)

    @property
    def words(self) -> str:
        """What was found, in a clause of a sentence."""
        if not self._served:
            return "no old version is served, so the objects that would lose fields cannot be counted"
        if not self._objects:
            return f"none of {self._read:,} objects has a field that would be removed"
        what = fields_in_words(tuple(self._fields))
        return f"{self._objects:,} of {self._read:,} objects would lose {what}, such as {self._example}"

    async def count(self, crd: CRD) -> None:
        """Read all objects.

        Raises:
            Stopped: they cannot be read.
        """
        session = self._session
        try:
            _, schemas = await session.ask(
                Operation.LOOK_UP,
                self._lane,
                lambda: session.calls.get_crd_and_schemas(crd.name),
                doing=f"read {crd.name}",
                crd=crd.name,
            )
            old = [v for v in crd.served_versions if v != crd.storage_version and v in (crd.stored_versions or (v,))]
            self._served = bool(old)
            if old:
                await self._read_all(crd, [crd.resource(v) for v in old], schemas)
        except MigrateError as error:
            raise Stopped(failed("ReadFailed", error)) from error

    async def _read_all(self, crd: CRD, resources: list[Resource], schemas: Schemas) -> None:
        """Page by page, each through every old version: a token names the last key read, and goes for all versions."""
        wanted = schemas.get(crd.storage_version or "")

        async def ask(token: str, limit: int) -> _Page:
            lost: dict[str, tuple[str, ...]] = {}
            following = ""
            for resource in resources:
                objects, following = await self._session.calls.list_whole(resource, token=token, limit=limit)
                for obj in objects:
                    name = _name_of(obj)
                    lost[name] = lost.get(name, ()) + removed_from(obj, wanted)
            return _Page(lost, following)

        await read_pages(
            self._session,
            self._lane,
            ask,
            doing=f"read {crd.name}",
            crd=crd.name,
            begin=self._begin,
            take=self._add,
            limit=_PAGE,
        )

    def _begin(self) -> None:
        self._fields = {}
        self._objects = self._read = 0
        self._example = ""

    def _add(self, page: _Page) -> None:
        self._read += len(page.lost)
        for name, fields in page.lost.items():
            if fields:
                self._objects += 1
                self._example = self._example or name
                if len(self._fields) < _FIELDS:
                    self._fields.update(dict.fromkeys(fields))


def _name_of(obj: dict[str, Any]) -> str:
    meta = obj.get("metadata") or {}
    return f"{meta['namespace']}/{meta.get('name')}" if meta.get("namespace") else str(meta.get("name"))
