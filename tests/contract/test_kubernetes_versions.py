"""Where Kubernetes versions differ: docs/settled.md says it in words."""

from __future__ import annotations

import pytest

from tests.bed import real
from tests.bed.bed import CRDS, MERGE, RealBed
from tests.bed.scenes import crd, obj

pytestmark = pytest.mark.real


async def test_an_empty_patch_keeps_owners_of_a_version_that_is_gone_only_since_1_37(real_bed: RealBed) -> None:
    """kubernetes#136919: 1.36 and before drop every managedFields entry where one names a version the CRD lacks."""
    bed = real_bed
    before = crd(bed.group, "v1", "v1", "v2")
    await bed.apply_crd(before)
    await bed.create(before, obj(before, "v1", "w"))
    after = await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))
    path = bed.path(after, "v2", name="w")
    (await bed.http.patch(path, json={}, headers=MERGE)).raise_for_status()
    name = f"widgets.{bed.group}"
    trim = {"status": {"storedVersions": ["v2"]}}
    (await bed.http.patch(f"{CRDS}/{name}/status", json=trim, headers=MERGE)).raise_for_status()
    await bed.apply_crd(crd(bed.group, "v2", "v2"))
    owners = (await bed.http.get(path)).json()["metadata"]["managedFields"]
    assert [e["apiVersion"] for e in owners] == [f"{bed.group}/v1"]
    (await bed.http.patch(path, json={}, headers=MERGE)).raise_for_status()
    left = (await bed.http.get(path)).json()["metadata"].get("managedFields", [])
    assert [e["apiVersion"] for e in left] == ([f"{bed.group}/v1"] if real.minor() >= 37 else [])
