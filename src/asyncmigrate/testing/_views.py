"""An object of a CRD as it looks in other versions, for those whose fields are owned there."""

from __future__ import annotations

from asyncmigrate.testing import _convert, _crds, _managed
from asyncmigrate.testing._call import Call
from asyncmigrate.testing._faults import Fault
from asyncmigrate.testing._objects import Object
from asyncmigrate.testing._paths import Path
from asyncmigrate.testing._typed import Changes, MistypedError, check
from asyncmigrate.testing._types import Type


class MistypedObjectError(_convert.UnconvertibleError):
    """An object that the schema of a version does not allow, where its fields are to be compared."""


class Views:
    """What one write sees in the versions that entries of its object name."""

    def __init__(self, call: Call, unconvertible: list[Fault]) -> None:
        self._call = call
        self._unconvertible = unconvertible

    def kind(self, api_version: str) -> Type:
        """The type of the object in a version."""
        group, _, version = api_version.partition("/")
        c = self._call.collection
        if c.crd is not None and (group != c.kind.group or _crds.version_of(c.crd, version) is None):
            raise _convert.UnconvertibleError(f"request to convert CR to an invalid group/version: {api_version}")
        return c.type_of(api_version)

    def never_written(self, api_version: str) -> set[Path]:
        """What a write through this endpoint leaves as it is, as the server knows it of a version.

        GetResetFields in pkg/registry/customresource; who writes through the status knows it of all versions.
        """
        c = self._call.collection
        if self._call.subresource == "status":
            return {("f:metadata",), ("f:spec",)}
        return {("f:status",)} if c.has_status and api_version == c.api_version else set()

    async def convert(self, obj: Object, api_version: str, why: str = "") -> Object:
        """The object in a version, unpruned, which its schema has to allow; `why` is how an error begins."""
        kind = self.kind(api_version)
        crd = self._call.collection.crd
        if crd is None or not obj or obj["apiVersion"] == api_version:
            return obj
        version = api_version.partition("/")[2]
        try:
            [seen] = await _convert.convert([obj], crd, version, self._unconvertible)
        except _convert.UnconvertibleError as error:
            raise _convert.UnconvertibleError(f"{why}{error}") from error
        self.check(seen, kind, why=why)
        return seen

    def check(self, obj: Object, kind: Type, *, unique: bool = True, why: str = "") -> None:
        try:
            check(obj, kind, unique=unique)
        except MistypedError as error:
            raise MistypedObjectError(f"{why}{error}") from error

    async def changes(self, new: Object, old: Object, api_version: str) -> Changes:
        """What a write changes, as seen in a version."""
        after = await self.convert(new, api_version, "failed to convert new object: ")
        before = await self.convert(old, api_version, "failed to convert old object: ")
        return _managed.tracked_changes(after, before, self.kind(api_version))
