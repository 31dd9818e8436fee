"""The decision about one CRD, as a table."""

from __future__ import annotations

import pytest

from asyncmigrate import CRD, Decision
from asyncmigrate._rules.decisions.decide import decide
from tests.unit.rules.cases import crd

DIFFERENT = crd("v2", "v1", "v2", stored=("v1", "v2"), same_schemas=False)
DECISIONS = [
    (None, crd("v1", "v1"), "NotFound", Decision.NEW),
    (None, None, "NotFound", Decision.NEW),
    (None, crd(None, "v1"), "NoStorageVersion", Decision.BLOCKED),
    (crd("v1", "v1", stored=("v1",)), None, "StoredAsStorageVersion", Decision.CURRENT),
    (crd("v1", "v1", stored=("v1",)), crd("v2", "v1", "v2"), "StoredAsStorageVersion", Decision.CURRENT),
    (crd("v1", "v1", stored=("v1",)), crd("v2", "v2"), "StorageVersionDropped", Decision.BLOCKED),
    (crd("v2", "v1", "v2", stored=("v1", "v2")), None, "OldStoredVersions", Decision.STALE),
    (crd("v2", "v1", "v2", stored=("v1",)), None, "OldStoredVersions", Decision.STALE),
    (crd("v2", "v1", "v2"), None, "StoredVersionsEmpty", Decision.STALE),
    (crd("v2", "v1", "v2", stored=("v1", "v2")), crd("v3", "v2", "v3"), "OldStoredVersions", Decision.STALE),
    (crd("v2", "-v1", "-v2", stored=("v1", "v2")), None, "NoServedVersion", Decision.BLOCKED),
    (crd("v2", "-v1", "-v2", stored=("v2",)), None, "StoredAsStorageVersion", Decision.CURRENT),
    (crd(None, "v1", stored=("v1",)), None, "NoStorageVersion", Decision.BLOCKED),
    (crd("v2", "v1", "v2", stored=("v1",), terminating=True), None, "Terminating", Decision.BLOCKED),
    (crd("v2", "v1", "-v2", stored=("v1",)), None, "StorageVersionNotServed", Decision.BLOCKED),
    (crd("v2", "v1", "-v2", stored=("v1",), alike=("v1", "v2")), None, "OldStoredVersions", Decision.STALE),
    (crd("v2", "v1", "v2", stored=("v1",), migrating=True), None, "BeingMigrated", Decision.BLOCKED),
    (crd("v2", "v1", "v2", stored=("v1",), not_accepted="KindConflict: K"), None, "NamesNotAccepted", Decision.BLOCKED),
    (crd("v2", "v2", stored=("v2",), not_accepted="KindConflict: K"), None, "StoredAsStorageVersion", Decision.CURRENT),
    (crd("v2", "v1", "v2", stored=("v2",), migrating=True), None, "StoredAsStorageVersion", Decision.CURRENT),
    (crd("v2", "v1", "v2", stored=("v1",), pruned=("spec.a",)), None, "FieldsWouldBePruned", Decision.BLOCKED),
    (crd("v2", "v1", "v2", stored=("v2",), pruned=("spec.a",)), None, "StoredAsStorageVersion", Decision.CURRENT),
    (DIFFERENT, crd("v2", "v1", "v2", webhook=True), "ConversionChanged", Decision.BLOCKED),
    (crd("v2", "v1", "v2", stored=("v1",)), crd("v2", "v1", "v2", webhook=True), "OldStoredVersions", Decision.STALE),
    (crd("v2", "v1", "v2", stored=("v2",), webhook=True), DIFFERENT, "ConversionChanged", Decision.BLOCKED),
    (crd("v2", "v2", stored=("v2",), webhook=True), crd("v2", "v2"), "StoredAsStorageVersion", Decision.CURRENT),
]


@pytest.mark.parametrize(("live", "manifest", "reason", "decision"), DECISIONS)
def test_decisions(live: CRD | None, manifest: CRD | None, reason: str, decision: Decision) -> None:
    found = decide("widgets.example.com", live, manifest)
    assert (found.decision, found.reason) == (decision, reason)
    assert found.message


def test_pruning_that_is_allowed_is_said_in_the_plan() -> None:
    live = crd("v2", "v1", "v2", stored=("v1",), pruned=tuple(f"spec.f{n}" for n in range(7)))
    found = decide(live.name, live, allow_pruning=True)
    assert found.decision is Decision.STALE
    assert "removes spec.f0, spec.f1, spec.f2, spec.f3, spec.f4 and 2 more" in found.message


def test_what_a_manifest_would_prune_is_a_warning_and_a_change() -> None:
    live = crd("v1", "v1", stored=("v1",))
    found = decide(live.name, live, crd("v1", "v1"), prunes=("spec.a",), requires=("spec.b",))
    assert found.decision is Decision.CURRENT
    assert found.changes
    assert (found.changes.prunes, found.changes.requires) == (("spec.a",), ("spec.b",))
