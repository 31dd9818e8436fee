"""Lists: label selectors, limit and continue, tokens that expire, and the forms that a client may ask for."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from asyncmigrate._rules.decisions.selector import parse_selector
from asyncmigrate.errors import UsageError
from asyncmigrate.testing._objects import Object, decode
from asyncmigrate.testing._status import StatusError, timeout
from asyncmigrate.testing._store import Compacted, Store

_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


class Chunk(msgspec.Struct):
    """Some entries of a list, and its `metadata`."""

    objects: list[Object]
    metadata: dict[str, Any]


class _Token(msgspec.Struct):
    """Where a list goes on; revision 0 means over whatever there is then."""

    start: str
    rv: int
    v: str = "meta.k8s.io/v1"


def read(store: Store, prefix: str, query: Mapping[str, str]) -> Chunk:
    """Read one chunk of the range `prefix`, as `limit`, `continue` and `labelSelector` ask."""
    try:
        selector = parse_selector(query.get("labelSelector", ""))
        limit, not_before = (int(query.get(field) or 0) for field in ("limit", "resourceVersion"))
    except (UsageError, ValueError) as error:
        raise StatusError("BadRequest", f"unable to parse the list options: {error}") from error
    after, revision = _where(query.get("continue", ""), prefix)
    if (wanted := max(revision, not_before)) > store.revision:
        # After a backup has been restored, clients may know of revisions that are still to come.
        raise timeout(
            f"Too large resource version: {wanted}, current: {store.revision}",
            details={
                "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
                "retryAfterSeconds": 1,
            },
        )
    chosen: list[Object] = []
    left = 0
    try:
        while True:
            want = limit - len(chosen) if limit else 0
            entries, left = store.scan(prefix, after=after, revision=revision, limit=want)
            objects = [decode(e.data or b"{}", e.revision) for _, e in entries]
            chosen += [o for o in objects if selector.matches(o["metadata"].get("labels") or {})]
            if not left or not entries or (limit and len(chosen) >= limit):
                break
            after = entries[-1][0]
    except Compacted:
        token = _pack(_Token(after.removeprefix(prefix), 0))
        raise StatusError("Expired", _EXPIRED, continue_token=token) from None
    listed_at = revision or store.revision
    metadata: dict[str, Any] = {"resourceVersion": str(listed_at)}
    if left:
        store.pin(listed_at)
        metadata["continue"] = _pack(_Token(entries[-1][0].removeprefix(prefix), listed_at))
        if not selector.requirements:
            metadata["remainingItemCount"] = left
    return Chunk(chosen, metadata)


def _pack(token: _Token) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(token)).decode().rstrip("=")


def _where(text: str, prefix: str) -> tuple[str, int]:
    if not text:
        return "", 0
    try:
        token = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Token)
    except (ValueError, msgspec.DecodeError) as error:
        raise StatusError("BadRequest", f"continue key is not valid: {error}") from error
    return prefix + token.start, token.rv


def wants_metadata_only(accept: str) -> bool:
    """Tell whether the Accept header prefers PartialObjectMetadata (or a list of them) to the whole object."""
    return "as=PartialObjectMetadata" in accept.partition(",")[0]


def as_metadata(obj: Object) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def render(chunk: Chunk, *, kind: str, api_version: str, accept: str) -> Object:
    """The list object; with nothing in it a list of metadata has null items, as the API server's has."""
    if wants_metadata_only(accept):
        items = [as_metadata(o) for o in chunk.objects] or None
        return {
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": chunk.metadata,
            "items": items,
        }
    return {"apiVersion": api_version, "items": chunk.objects, "kind": kind, "metadata": chunk.metadata}
