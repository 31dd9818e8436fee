"""What a patch's body asks for, by its media type, and what of it is checked before it is merged into anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import yaml

from asyncmigrate.testing import _json_patch
from asyncmigrate.testing._call import Call
from asyncmigrate.testing._objects import Object, merge_patch
from asyncmigrate.testing._status import StatusError

APPLY = "application/apply-patch+yaml"
_JSON = "application/json-patch+json"
_MERGE = "application/merge-patch+json"
_TYPES = (_JSON, _MERGE, APPLY)

Change = Callable[[Object], Any]


def check_type(content_type: str, query: Mapping[str, str]) -> None:
    """Check a patch's media type, and the options that go with it (ValidatePatchOptions in apimachinery)."""
    if content_type not in _TYPES:
        listed = ", ".join(_TYPES)
        why = f"the body of the request was in an unknown format - accepted media types include: {listed}"
        raise StatusError("UnsupportedMediaType", why)
    if content_type == APPLY and not query.get("fieldManager"):
        raise _bad_option("fieldManager", "Required value: is required for apply patch", "FieldValueRequired")
    if content_type != APPLY and "force" in query:
        raise _bad_option("force", "Forbidden: may not be specified for non-apply patch", "FieldValueForbidden")


def _bad_option(field: str, why: str, reason: str) -> StatusError:
    return StatusError(
        "Invalid",
        f'PatchOptions.meta.k8s.io "" is invalid: {field}: {why}',
        details={
            "group": "meta.k8s.io",
            "kind": "PatchOptions",
            "causes": [{"reason": reason, "message": why, "field": field}],
        },
    )


def change_by(content_type: str, body: bytes) -> Change:
    """What a JSON patch or a merge patch does to an object."""
    if content_type == _JSON:
        operations = _json_patch.parse(body)
        return lambda old: _json_patch.patched(old, operations)
    try:
        patch = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise StatusError("BadRequest", f"the body is not JSON: {error}") from error
    if not isinstance(patch, dict):
        raise StatusError("BadRequest", "a merge patch is a JSON object")
    return lambda old: merge_patch(old, patch)


def configuration(call: Call, body: bytes) -> Object:
    """The configuration that is to be applied: YAML, and so possibly JSON."""
    config = _from_yaml(body)
    if not isinstance(config, dict):
        kind = "array" if isinstance(config, list) else "string"
        why = f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
        raise StatusError("BadRequest", f"error decoding patch: error unmarshaling JSON: while decoding JSON: {why}")
    version, kind = str(config.get("apiVersion") or ""), config.get("kind") or ""
    c = call.collection
    wanted = ("autoscaling/v1", "Scale") if call.subresource == "scale" else (c.api_version, c.kind.kind)
    if (version, kind) != wanted:
        named = version or "/"
        raise StatusError("BadRequest", f"invalid object type: {named}, Kind={kind}")
    if (config.get("metadata") or {}).get("managedFields") is not None:
        raise StatusError("BadRequest", "metadata.managedFields must be nil")
    return config


def _from_yaml(body: bytes) -> Any:  # noqa: ANN401 -- any YAML
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        pass
    try:
        config = yaml.load(body, Loader=_Loader)  # noqa: S506 -- the safe one, but that times stay text
    except yaml.YAMLError as error:
        raise StatusError(
            "BadRequest", f"error decoding patch: error converting YAML to JSON: yaml: {error}"
        ) from error
    return {} if config is None else _as_json(config)


def _as_json(value: Any) -> Any:  # noqa: ANN401 -- any YAML
    """The value as JSON has it, where every key is text."""
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key if isinstance(key, str) else msgspec.json.encode(key).decode(): _as_json(v) for key, v in value.items()}


class _Loader(yaml.SafeLoader):
    """JSON knows no times: what looks like one stays text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
