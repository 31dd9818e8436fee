"""What a version's schema leaves of an object: fields that it does not name are dropped.

As apiextensions-apiserver does in pkg/apiserver/schema/pruning/algorithm.go, and in defaulting/prunenulls.go for nulls.
Defaults are not filled in.
"""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]
Schema = dict[str, Any]

_META = frozenset({"apiVersion", "kind", "metadata"})
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"


def pruned(obj: Object, crd: Object, version: str) -> Object:
    """The object as the schema of `version` leaves it; it shares what stays the same with the one that is given."""
    spec = crd["spec"]
    if spec.get("preserveUnknownFields"):
        return obj
    found = next((v for v in spec["versions"] if v["name"] == version), None)
    schema: Schema = ((found or {}).get("schema") or {}).get("openAPIV3Schema") or {}
    if schema.get(_PRESERVE) and not schema.get("properties"):
        return obj
    # The root counts as an embedded resource: apiVersion, kind and metadata are none of the schema's business.
    root = schema | {_EMBEDDED: True}
    kept: Object = _without_nulls(_prune(obj, root), root)
    return kept


def _prune(value: Any, schema: Schema | None) -> Any:  # noqa: ANN401 -- any JSON
    if schema is not None and schema.get(_PRESERVE):
        return _prune_known(value, schema)
    if isinstance(value, list):
        return [_prune(item, (schema or {}).get("items")) for item in value]
    if not isinstance(value, dict):
        return value
    if schema is None:
        return {}
    kept = {}
    for key, item in value.items():
        if schema.get(_EMBEDDED) and key in _META:
            kept[key] = item
        elif (found := _schema_of(key, schema)) is not None:
            kept[key] = _prune(item, found[0])
    return kept


def _prune_known(value: Any, schema: Schema | None) -> Any:  # noqa: ANN401
    """Keep unknown fields here, and prune what lies below the known ones."""
    if schema is None:
        return value
    if isinstance(value, list):
        return [_prune_known(item, schema.get("items")) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, item in value.items():
        found = None if schema.get(_EMBEDDED) and key in _META else _schema_of(key, schema)
        kept[key] = item if found is None else _prune(item, found[0])
    return kept


def _schema_of(key: str, schema: Schema) -> tuple[Schema | None] | None:
    """The schema of a field, in a tuple; None where the field is not known."""
    properties = schema.get("properties") or {}
    if key in properties:
        return (properties[key],)
    more = schema.get("additionalProperties")
    if more is None:
        return None
    # `true` names every field and says nothing of what is below it, which is pruned.
    return (more if isinstance(more, dict) else None,)


def _without_nulls(value: Any, schema: Schema | None) -> Any:  # noqa: ANN401
    """Drop nulls where the schema knows the field, does not allow null and has no default."""
    if schema is None:
        return value
    if isinstance(value, list):
        return [_without_nulls(item, schema.get("items")) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, item in value.items():
        below = (_schema_of(key, schema) or (None,))[0]
        if item is None and below is not None and not below.get("nullable") and below.get("default") is None:
            continue
        kept[key] = _without_nulls(item, below)
    return kept
