"""Values that several tables of cases begin with."""

from __future__ import annotations

from asyncmigrate import CRD, Version
from asyncmigrate._model import Status
from asyncmigrate.errors import APIError

MOVED = "2026-11-24T10:00:00Z"
AT = 1795514400.0  # the same in seconds since the epoch


def crd(storage: str | None, *versions: str, stored: tuple[str, ...] = (), **more: object) -> CRD:
    made = tuple(Version(v, served=not v.startswith("-"), storage=v.lstrip("-") == storage) for v in versions)
    made = tuple(Version(v.name.lstrip("-"), served=v.served, storage=v.storage) for v in made)
    base = {"name": "widgets.example.com", "group": "example.com", "plural": "widgets", "kind": "Widget"}
    live = {"versions": made, "stored_versions": stored, "uid": "u", "generation": 1, "resource_version": "10"}
    return CRD(**base | live | more)  # type: ignore[arg-type]


def api(code: int, reason: str = "", message: str = "") -> APIError:
    return APIError(Status(code=code, reason=reason, message=message), doing="test")
