"""What a request's body has to be, for the collection that it is sent to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from asyncmigrate.testing import _admission, _crds
from asyncmigrate.testing._call import Call
from asyncmigrate.testing._objects import Object
from asyncmigrate.testing._prune import pruned
from asyncmigrate.testing._state import CRDS, WEBHOOKS, Collection
from asyncmigrate.testing._status import StatusError, about
from asyncmigrate.testing._types import Type


def decoded(collection: Collection, body: Any) -> Object:  # noqa: ANN401 -- a request body
    """A request's object, with the defaults of its kind, or without what its version's schema does not name."""
    obj = _crds.as_version(body, collection.api_version)
    if collection.crd is not None:
        return pruned(obj, collection.crd, collection.version)
    obj.setdefault("kind", collection.kind.kind)
    if collection.plain is not None:
        return collection.plain.decoded(obj, collection.kind)
    if collection is CRDS:
        _crds.fill_in(obj)
    elif collection is WEBHOOKS:
        _admission.fill_in(obj)
    return obj


def check(collection: Collection, obj: Object, old: Object | None) -> None:
    """Check an object that is about to be stored; `old` is None where there was none."""
    if collection is CRDS:
        _crds.validate(obj, is_new=old is None)
    elif collection.plain is not None:
        collection.plain.validate(obj, old, collection.kind)
    elif collection is WEBHOOKS:
        _admission.validate(obj)


def check_applied(call: Call, obj: Object) -> None:
    """Check what an apply has made: that it is the object that the URL names, and has no null instead of a value.

    The API server holds all that is written against the schema; this one just what an apply can leave, which makes null
    of what it has taken all fields of.
    """
    check_name(call, obj)
    c = call.collection
    name = call.name
    if found := list(_nulls(obj, c.type_of(c.api_version), "")):
        causes = [{"reason": "FieldValueTypeInvalid", "message": _null(*where), "field": where[0]} for where in found]
        text = ", ".join(f"{field}: {_null(field, kind)}" for field, kind in found)
        text = text if len(causes) == 1 else f"[{text}]"
        kind = c.kind
        raise StatusError(
            "Invalid",
            f'{kind.kind}.{kind.group} "{name}" is invalid: {text}',
            details=about(kind.group, kind.kind, name) | {"causes": causes},
        )


def check_name(call: Call, obj: Object) -> None:
    """Check that a body is about the object that the URL names."""
    meta = obj.get("metadata") or {}
    name = meta.get("name")
    if (meta.get("namespace") or call.namespace) != call.namespace:
        why = "the namespace of the provided object does not match the namespace sent on the request"
        raise StatusError("BadRequest", why)
    if not name:
        why = f"the name of the object ({call.name} based on URL) was undeterminable: name must be provided"
        raise StatusError("BadRequest", why)
    if name != call.name:
        raise StatusError(
            "BadRequest", f"the name of the object ({name}) does not match the name on the URL ({call.name})"
        )


def _null(field: str, kind: str) -> str:
    return f'Invalid value: "null": {field} in body must be of type {kind}: "null"'


def _nulls(obj: Object, kind: Type, at: str) -> Iterator[tuple[str, str]]:
    for key, value in obj.items():
        below = kind.field(key)
        if below is None or (not at and key == "metadata"):
            continue
        named = below.schema.get("type")
        if value is None and named and not below.schema.get("nullable"):
            yield f"{at}{key}", str(named)
        elif isinstance(value, dict):
            yield from _nulls(value, below, f"{at}{key}.")
