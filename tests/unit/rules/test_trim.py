"""Whether storedVersions may be trimmed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmigrate import CRD
from asyncmigrate._rules.safety.trim import Trim, may_trim
from tests.unit.rules.cases import crd

PLANNED = crd("v2", "v1", "v2", stored=("v1", "v2"))
TRIMS = [
    (None, Trim.GONE, "CRDDeleted"),
    (PLANNED, Trim.YES, "Migrated"),
    (crd("v2", "v1", "v2", stored=("v2", "v1")), Trim.YES, "Migrated"),
    (crd("v2", "v1", "v2", stored=("v2",)), Trim.ALREADY, "Migrated"),
    # Somebody trimmed, and storage may have moved away and back: what was settled before that proves nothing.
    (crd("v2", "v1", "v2", stored=("v2",), generation=5), Trim.AGAIN, "SpecChanged"),
    (crd("v2", "v1", "v2", stored=("v1", "v2"), uid="other"), Trim.NO, "CRDReplaced"),
    (crd("v1", "v1", "v2", stored=("v1", "v2")), Trim.NO, "StorageVersionMoved"),
    (crd("v2", "v1", "v2", "v3", stored=("v1", "v2", "v3")), Trim.NO, "StoredVersionsChanged"),
    (crd("v2", "v1", "-v2", stored=("v1", "v2")), Trim.NO, "VersionNotServed"),
    (crd("v2", "v1", "v2", stored=("v1", "v2"), generation=3), Trim.AGAIN, "SpecChanged"),
    (crd("v2", "v1", "v2", stored=("v1", "v2"), resource_version="9"), Trim.AGAIN, "ClusterRestored"),
    (crd("v2", "v1", "v2", stored=("v1", "v2"), generation=3, webhook=True), Trim.NO, "ConversionChanged"),
    (crd("v2", "v1", "v2", stored=("v1", "v2"), migrating=True), Trim.NO, "BeingMigrated"),
    (crd("v2", "v1", "v2", stored=("v1", "v2"), terminating=True), Trim.NO, "Terminating"),
    (crd("v2", "v1", "v2", stored=("v1", "v2"), generation=3, pruned=("spec.a",)), Trim.NO, "FieldsWouldBePruned"),
]


@pytest.mark.parametrize(("fresh", "trim", "reason"), TRIMS)
def test_trims(fresh: CRD | None, trim: Trim, reason: str) -> None:
    decision = may_trim(PLANNED, fresh)
    assert (decision.trim, decision.reason) == (trim, reason)
    assert decision.message


@given(
    storage=st.sampled_from(["v1", "v2", "v3"]),
    stored=st.sets(st.sampled_from(["v1", "v2", "v3"])),
    uid=st.sampled_from(["u", "w"]),
    generation=st.integers(1, 2),
)
def test_nothing_is_trimmed_unless_all_is_as_planned(storage: str, stored: set[str], uid: str, generation: int) -> None:
    fresh = crd(storage, "v1", "v2", "v3", stored=tuple(sorted(stored)), uid=uid, generation=generation)
    as_planned = (storage, stored, uid, generation) == ("v2", {"v1", "v2"}, "u", 1)
    assert (may_trim(PLANNED, fresh).trim is Trim.YES) is as_planned
