"""Field managers of custom resources: server-side apply as they use it, and what managedFields say of them."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tests.bed.bed import MERGE, Bed
from tests.bed.scenes import Manifest

APPLY = {"Content-Type": "application/apply-patch+yaml"}


async def apply(
    bed: Bed,
    manifest: Manifest,
    version: str,
    by: str,
    *,
    name: str = "w",
    part: str = "",
    force: bool = True,
    **fields: Any,  # noqa: ANN401
) -> httpx.Response:
    """Server-side apply by a manager, who by default takes what others own."""
    group = manifest["spec"]["group"]
    body = {
        "apiVersion": f"{group}/{version}",
        "kind": manifest["spec"]["names"]["kind"],
        "metadata": {"name": name},
        **fields,
    }
    return await bed.http.patch(
        bed.path(manifest, version, name=name) + part,
        params={"fieldManager": by, "force": str(force).lower()},
        content=json.dumps(body),
        headers=APPLY,
    )


async def update(
    bed: Bed,
    manifest: Manifest,
    version: str,
    by: str,
    *,
    name: str = "w",
    part: str = "",
    **fields: Any,  # noqa: ANN401
) -> Manifest:
    """A merge patch by a manager."""
    path = bed.path(manifest, version, name=name) + part
    answer = await bed.http.patch(path, params={"fieldManager": by}, json=fields, headers=MERGE)
    assert answer.is_success, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def read(bed: Bed, manifest: Manifest, version: str, name: str = "w") -> Manifest:
    answer = await bed.http.get(bed.path(manifest, version, name=name))
    assert answer.is_success, answer.text
    return answer.json()  # type: ignore[no-any-return]


def entries(found: Manifest) -> list[Manifest]:
    return found["metadata"].get("managedFields", [])  # type: ignore[no-any-return]


def owners(found: Manifest) -> dict[tuple[str, str, str, str], Manifest]:
    """What each manager owns, by its name, operation, version and subresource."""
    return {
        (e["manager"], e["operation"], e["apiVersion"].rpartition("/")[2], e.get("subresource", "")): e["fieldsV1"]
        for e in entries(found)
    }


def versions(found: Manifest) -> set[str]:
    """The versions that an object's managedFields are in."""
    return {e["apiVersion"].rpartition("/")[2] for e in entries(found)}
