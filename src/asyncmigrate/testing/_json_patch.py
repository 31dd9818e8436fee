"""JSON patches: RFC 6902, in the words and with the liberties of evanphx/json-patch v4, which the API server uses.

`replace` of a member that is not there adds it. Patches may nest some hundred levels deep here, there ten thousand.
"""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from asyncmigrate.testing._status import StatusError

_REJECTED = "the server rejected our request due to an error in our request"


class _DoesNotApplyError(Exception):
    """A patch that does not fit the object."""


def parse(body: bytes) -> list[Any]:
    """The operations of a patch.

    Raises:
        StatusError: it is none.
    """
    try:
        patch = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise StatusError("BadRequest", "invalid JSON patch") from error
    if not isinstance(patch, list):
        raise _undecodable(patch, "[]handlers.jsonPatchOp")
    for operation in patch:
        if not isinstance(operation, dict):
            raise _undecodable(operation, "handlers.jsonPatchOp")
    return patch


def _undecodable(value: Any, wanted: str) -> StatusError:  # noqa: ANN401 -- any JSON
    kinds = {dict: "object", list: "array", str: "string", bool: "bool"}
    kind = kinds.get(type(value), "number")
    return StatusError(
        "BadRequest", f"error decoding patch: json: cannot unmarshal {kind} into Go value of type {wanted}"
    )


def patched(obj: Any, patch: list[Any]) -> Any:  # noqa: ANN401 -- any JSON
    """The object after a patch; all of it or nothing.

    Raises:
        StatusError: a test failed or an operation does not apply, for which the API server has one answer.
    """
    root = {"": copy.deepcopy(obj)}
    try:
        for operation in patch:
            _apply(root, operation)
    except (_DoesNotApplyError, ValueError) as error:
        raise StatusError("Invalid", _REJECTED, details={}) from error
    return root[""]


def _apply(root: dict[str, Any], operation: dict[str, Any]) -> None:
    kind, path, value = operation.get("op"), _path(operation, "path"), operation.get("value")
    match kind:
        case "test":
            if not _same(_get(*_find(root, path)), value):
                raise _DoesNotApplyError(f"testing value {path} failed")
        case "add":
            _add(*_find(root, path), value)
        case "replace":
            _set(*_find(root, path), value)
        case "remove":
            _remove(*_find(root, path))
        case "copy" | "move":
            source = _find(root, _path(operation, "from"))
            value = copy.deepcopy(_get(*source))
            if kind == "move":
                _remove(*source)
            _add(*_find(root, path), value)
        case _:
            raise _DoesNotApplyError(f"unexpected kind: {kind}")


def _path(operation: dict[str, Any], field: str) -> list[str]:
    path = operation.get(field)
    if not isinstance(path, str) or (path and not path.startswith("/")):
        raise _DoesNotApplyError(f"no {field}")
    # The document itself is the member "" of the root.
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")]


def _find(root: dict[str, Any], path: list[str]) -> tuple[Any, str]:
    """What holds the last element of a path, and that."""
    holder: Any = root
    for part in path[:-1]:
        holder = _get(holder, part)
    if not isinstance(holder, dict | list):
        raise _DoesNotApplyError(f"doc is missing path: {'/'.join(path)}")
    return holder, path[-1]


def _get(holder: Any, key: str) -> Any:  # noqa: ANN401
    if isinstance(holder, list):
        return holder[_index(key, len(holder) - 1)]
    if not isinstance(holder, dict):
        raise _DoesNotApplyError(f"doc is missing key: {key}")
    return holder.get(key)


def _set(holder: Any, key: str, value: Any) -> None:  # noqa: ANN401
    if isinstance(holder, list):
        holder[_index(key, len(holder) - 1)] = value
    else:
        holder[key] = value


def _add(holder: Any, key: str, value: Any) -> None:  # noqa: ANN401
    if isinstance(holder, list):
        holder.insert(len(holder) if key == "-" else _index(key, len(holder)), value)
    else:
        holder[key] = value


def _remove(holder: Any, key: str) -> None:  # noqa: ANN401
    if isinstance(holder, list):
        holder.pop(_index(key, len(holder) - 1))
    elif key in holder:
        del holder[key]
    else:
        raise _DoesNotApplyError(f"Unable to remove nonexistent key: {key}")


def _index(key: str, last: int) -> int:
    index = int(key)
    if index < 0:
        index += last + 1
    if not 0 <= index <= last:
        raise _DoesNotApplyError(f"Unable to access invalid index: {key}")
    return index


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401
    """Compare as JSON is written: 1 is neither 1.0 nor true."""
    encode = msgspec.json.Encoder(order="sorted").encode
    return encode(one) == encode(other)
