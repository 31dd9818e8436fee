"""Shows writes to the admission webhooks, as they want to see them."""

from __future__ import annotations

from asyncmigrate.testing import _admission, _convert, _crds
from asyncmigrate.testing._call import Call
from asyncmigrate.testing._objects import Object
from asyncmigrate.testing._state import WEBHOOKS, State


async def admit(state: State, call: Call, operation: str, new: Object | None, old: Object | None) -> None:
    """Have a write admitted: CREATE, UPDATE or DELETE.

    Raises:
        StatusError: a webhook denied it, or could not be asked and may not be left out.
    """
    c = call.collection
    configurations = state.webhook_configurations()
    if not configurations or c is WEBHOOKS:
        return
    write = _admission.Write(
        operation=operation,
        kind=c.kind,
        version=c.version,
        versions=tuple(_crds.version_names(c.crd)) if c.crd else (c.version,),
        subresource=call.subresource,
        namespace=call.namespace,
        name=call.name,
        user=call.user,
        dry_run=call.dry_run,
    )

    async def seen(obj: Object | None, version: str) -> Object | None:
        if not obj or c.crd is None:
            return obj
        [obj] = await _convert.convert([obj], c.crd, version, state.faults.unconvertible_objects)
        return obj

    async def view(version: str) -> tuple[Object | None, Object | None]:
        return await seen(new, version), await seen(old, version)

    await _admission.admit(configurations, write, view)
