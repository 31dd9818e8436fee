"""Moves the managedFields of one CRD's objects to the storage version, and counts what could not be moved."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import Any

import msgspec

from asyncmigrate._engine.crd_result import Stopped, failed
from asyncmigrate._engine.session import Session
from asyncmigrate._model import CRD, ManagedFieldsEntry, ObjectRef, Status
from asyncmigrate._options import ManagedFields
from asyncmigrate._results.report import OwnersLeft
from asyncmigrate._rules.decisions.versions import access_version
from asyncmigrate._rules.errors.classify import Operation
from asyncmigrate._rules.safety.managed_fields import (
    LeftEntry,
    Views,
    are_due,
    left_as_they_are,
    moved,
    united,
    versions_to_read,
)
from asyncmigrate._rules.safety.structure import Apart, differences
from asyncmigrate.errors import ConflictError, MigrateError
from asyncmigrate.events import Settled

KEPT_LEFT = 1000  # managers, each in each version; more are not named
_KEPT_FIELDS = 20


class OwnerMoves:
    """The moves of one list's objects."""

    def __init__(self, session: Session, crd: CRD, mode: ManagedFields, *, dry_run: bool) -> None:
        self._session = session
        self.use(crd)
        self._keep = mode is ManagedFields.KEEP
        self._dry_run = dry_run
        self._robs = True
        self._robbed: dict[tuple[str, str, str], tuple[ManagedFieldsEntry, ...]] = {}
        self.count_anew()

    def use(self, crd: CRD) -> None:
        """Go on with a CRD as it is now."""
        self._crd = crd
        self._through = crd.resource(access_version(crd) or "")
        self._apart: dict[str, Apart] = {}

    def count_anew(self) -> None:
        self._left: dict[tuple[str, str], OwnersLeft] = {}

    @property
    def left(self) -> tuple[OwnersLeft, ...]:
        return tuple(self._left[who] for who in sorted(self._left))

    async def prepare(self) -> None:
        """Learn what the server does to managedFields and where the versions' schemas differ, if that matters.

        Raises:
            Stopped: the CRD cannot be read.
        """
        session, crd = self._session, self._crd
        if self._keep or crd.webhook or not crd.same_schemas:
            self._robs = await session.robs_owners()
        if crd.same_schemas or (self._keep and not self._robs):
            return
        lane, doing = session.pool.lane(windowed=False), f"read the schemas of CRD {crd.name}"
        try:
            _, schemas = await session.ask(
                Operation.LOOK_UP,
                lane,
                lambda: session.calls.get_crd_and_schemas(crd.name),
                doing=doing,
                crd=crd.name,
            )
        except MigrateError as error:
            raise Stopped(failed("LookupFailed", error)) from error
        wanted = schemas.get(crd.storage_version or "")
        self._apart = {version: differences(schema, wanted) for version, schema in schemas.items()}

    def are_due(self, ref: ObjectRef) -> bool:
        """Tell whether an object's managedFields are to be moved, or put back."""
        return _key(ref) in self._robbed or are_due(ref, self._crd, keep=self._keep, robs=self._robs)

    async def may_be_left(self, ref: ObjectRef) -> bool:
        """Tell an object whose managedFields an empty patch keeps, whatever becomes of the CRD meanwhile."""
        return _key(ref) not in self._robbed and not await self._session.robs_owners()

    def leave(self, ref: ObjectRef) -> None:
        """Count an object whose managedFields were left as they are."""
        self._note(left_as_they_are(ref.entries, self._crd))

    def need_guard(self, ref: ObjectRef) -> bool:
        """Tell an object that must not be written unseen, nor if another write came in between.

        The server removes all its managedFields if one of them is in a version that is dropped in this moment, or whose
        webhook is gone by now.
        """
        return (
            self._robs
            and bool(ref.written_as)
            and (self._crd.webhook or bool(left_as_they_are(ref.entries, self._crd)))
        )

    def tests_uid(self, ref: ObjectRef) -> bool:
        """Tell an object that is written only if it is the one that was listed."""
        return self.are_due(ref) or self.need_guard(ref)

    async def write(self, ref: ObjectRef) -> str | Settled | None:
        """Rewrite an object and move its managedFields.

        Returns:
            The resource version after it; GONE where it is deleted; None where nothing can be moved.

        Raises:
            ConflictError: it has changed since `ref`, or the server has removed its managedFields.
            APIError, TransportError: as any call.
        """
        robbed = self._robbed.get(_key(ref), ())
        ref = msgspec.structs.replace(ref, entries=ref.entries + robbed)
        views = await self._views(ref)
        if views is None:
            return Settled.GONE
        after = moved(ref.entries, self._crd, views, self._apart)
        if after.entries == ref.entries and not robbed:
            self._note(after.left)
            return None
        answer = await self._write(ref, after.entries)
        if not {*left_as_they_are(answer.entries, self._crd)} <= {*left_as_they_are(after.entries, self._crd)}:
            # It took none of them and says nothing: 1.37 with a webhook that has gone just now, or admission.
            self.leave(answer)
        else:
            self._note(after.left)
        return answer.resource_version

    async def put_back(self) -> None:
        """Put back what the server has removed and no later write could: when nothing else is written any more.

        With the paths that the entries have: there is no time left to compare versions.
        """
        for (namespace, name, uid), entries in [*self._robbed.items()]:
            ref = ObjectRef(namespace, name, uid=uid)
            with suppress(MigrateError):
                now = await self._session.calls.look_at(self._through, ref)
                if now is None or now.uid != uid:
                    del self._robbed[_key(ref)]
                    continue
                to = self._crd.storage_api_version
                renamed = [msgspec.structs.replace(entry, api_version=to) for entry in now.entries + entries]
                await self._write(now, united(renamed))

    @property
    def robbed(self) -> int:
        """How many objects have no managedFields any more."""
        return len(self._robbed)

    async def write_guarded(self, ref: ObjectRef) -> str:
        """Rewrite an object as it is, if it is as `ref` shows it."""
        return (await self._write(ref, None)).resource_version

    async def _write(self, ref: ObjectRef, entries: tuple[ManagedFieldsEntry, ...] | None) -> ObjectRef:
        answer = await self._session.calls.write_entries(self._through, ref, entries, dry_run=self._dry_run)
        before = entries if entries is not None else ref.entries
        # Where all could be converted, who removed them is an admission webhook: that is how it is to be.
        robbed = self._robs and not self._dry_run and not answer.entries and left_as_they_are(before, self._crd)
        if robbed:
            self._robbed[_key(ref)] = before
            raise self._conflict(ref, f"the server removed {len(before)} managedFields entries, which are not back yet")
        self._robbed.pop(_key(ref), None)
        return answer

    async def _views(self, ref: ObjectRef) -> Views | None:
        """The object in each version that it has to be compared in; None where it is gone."""
        old = versions_to_read(ref, self._crd)
        views: dict[str, Any] = {}
        for version in (self._through.version, *old) if old else ():
            found = await self._session.calls.read(self._crd.resource(version), ref)
            if found is None:
                return None
            if found["metadata"].get("resourceVersion") != ref.resource_version:
                raise self._conflict(ref, "the object was changed while its fields were compared")
            views[f"{self._crd.group}/{version}"] = found
        return views

    def _conflict(self, ref: ObjectRef, message: str) -> ConflictError:
        status = Status(code=HTTPStatus.CONFLICT, reason="Conflict", message=message)
        return ConflictError(status, doing=f"rewrite {self._crd.name} {ref}")

    def _note(self, left: tuple[LeftEntry, ...]) -> None:
        """Count one object."""
        fields: dict[tuple[str, str], tuple[str, ...]] = {}
        for entry in left:
            who = (entry.manager, entry.api_version)
            fields[who] = fields.get(who, ()) + entry.fields
        for who, more in fields.items():
            if who in self._left or len(self._left) < KEPT_LEFT:
                before = self._left.get(who) or OwnersLeft(manager=who[0], api_version=who[1])
                known = tuple(dict.fromkeys(before.fields + more))[:_KEPT_FIELDS]
                self._left[who] = msgspec.structs.replace(before, fields=known, objects=before.objects + 1)


def _key(ref: ObjectRef) -> tuple[str, str, str]:
    return ref.namespace, ref.name, ref.uid
