"""The verdict about one version, as a table, and what it says."""

from __future__ import annotations

from typing import Any

import pytest

from asyncmigrate import CRD
from asyncmigrate._model import Writer
from asyncmigrate._results.droppable import AdmissionUse, ManifestUse, NotChecked, OwnedObjects
from asyncmigrate._rules.decisions.droppable import (
    VersionFacts,
    has_or_had,
    storage_version_use,
    version_use,
    versions_to_drop,
    writers_words,
)
from tests.unit.rules.cases import AT, MOVED, crd

CLEAN = crd("v2", "v1", "v2", stored=("v2",))
QUIET = crd("v2", "-v1", "v2", stored=("v2",))
STALE = crd("v2", "v1", "v2", stored=("v1", "v2"))
GONE = crd("v2", "v2", stored=("v2",))
OWNED = OwnedObjects(resource="gadgets.example.com", objects=2, example="default/g")
ADMISSION = AdmissionUse(kind="ValidatingAdmissionPolicy", name="p")
MANIFEST = ManifestUse(source="a.yaml", objects=1, names=("w",))
UNKNOWN = NotChecked(what="pods", reason="Forbidden", message="no")

VERDICTS: list[tuple[CRD, dict[str, Any], list[str], list[str]]] = [
    (QUIET, {"owners": ()}, [], []),
    (QUIET, {}, [], ["OwnerReferencesNotChecked"]),
    (CLEAN, {"owners": ()}, [], ["StillServed"]),
    (STALE, {"owners": ()}, ["StoredVersionsNamesIt"], ["StillServed"]),
    (crd("v2", "-v1", "v2"), {"owners": ()}, ["StoredVersionsEmpty"], []),
    (QUIET, {"owners": (), "objects": 1}, ["OwnersInIt"], []),
    (QUIET, {"owners": (OWNED,)}, ["OwnerReferencesInIt"], []),
    (QUIET, {"owners": (), "admission": (ADMISSION,)}, ["AdmissionNamesOnlyIt"], []),
    (QUIET, {"owners": (), "manifests": (MANIFEST,)}, ["ManifestsUseIt"], []),
    (QUIET, {"owners": (), "not_checked": (UNKNOWN,)}, ["NotChecked"], []),
    (QUIET, {"owners": (), "changed": True}, ["CRDChanged"], []),
    (GONE, {"objects": 1}, ["OwnersInGoneVersion"], []),
    (crd("v2", "-v1", "v2", stored=("v2",), webhook=True), {"owners": ()}, [], ["ConversionCanGo"]),
    (crd("v2", "-v1", "v2", "v3", stored=("v2",), webhook=True), {"owners": ()}, [], ["ConversionStillNeeded"]),
]


@pytest.mark.parametrize(("live", "facts", "reasons", "notes"), VERDICTS)
def test_verdicts(live: CRD, facts: dict[str, Any], reasons: list[str], notes: list[str]) -> None:
    found = version_use(VersionFacts(crd=live, version="v1", **{"objects": 0} | facts))
    assert ([r.reason for r in found.reasons], [n.reason for n in found.notes]) == (reasons, notes)
    assert found.droppable == (not reasons)
    assert all(r.message for r in (*found.reasons, *found.notes))
    assert all(r.advice for r in found.reasons)


def writer(seconds: float | None, manager: str = "argocd-controller", objects: int = 312) -> Writer:
    at = "" if seconds is None else MOVED
    return Writer(manager=manager, api_version="example.com/v1", objects=objects, newest=at)


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (0.2, "less than a second ago"),
        (1, "1 second ago"),
        (59, "59 seconds ago"),
        (4 * 60 + 59, "4 minutes ago"),
        (3600, "1 hour ago"),
        (100 * 3600, "4 days ago"),
        (-120, "at 2026-11-24T10:00:00Z, which is 2 minutes in the future by the server's clock"),
    ],
)
def test_who_wrote_what_and_when(ago: float, words: str) -> None:
    said = writers_words((writer(ago),), "v1", AT + ago)
    assert said == f"argocd-controller wrote 312 objects in v1, last {words}"


def test_a_time_that_is_not_known_is_said_so() -> None:
    assert writers_words((writer(None),), "v1", AT).endswith("in v1, at a time that is not known")
    assert writers_words((writer(0),), "v1", None).endswith(f"in v1, last at {MOVED}")


def test_many_writers_are_cut_short_in_a_sentence() -> None:
    found = writers_words(tuple(writer(0, f"m{n}", 1) for n in range(5)), "v1", AT)
    assert "m2 wrote 1 object in v1" in found
    assert found.endswith("; and 2 more")


@pytest.mark.parametrize(
    ("live", "advice"),
    [
        (STALE, "then asyncmigrate run widgets.example.com"),
        (CLEAN, "then asyncmigrate run --clean-only widgets.example.com"),
        (GONE, "asyncmigrate run --clean-only widgets.example.com"),
    ],
)
def test_what_to_do_about_entries(live: CRD, advice: str) -> None:
    found = version_use(VersionFacts(crd=live, version="v1", objects=1, example="default/w", writers=(writer(0),)))
    [said] = [r.advice for r in found.reasons if "Owners" in r.reason]
    assert said.endswith(advice)
    assert ("still write in v1" in said) == (live is not GONE)


def test_the_versions_to_drop() -> None:
    live = crd("v2", "v1", "v2", "v3", stored=("v0", "v2"))
    assert versions_to_drop(live, ["v00", "v1"]) == ("v1", "v3", "v0", "v00")
    assert [v for v in ("v0", "v00", "v1", "v2") if has_or_had(live, v)] == ["v0", "v1", "v2"]


def test_storage_version_is_never_droppable() -> None:
    found = storage_version_use(CLEAN)
    assert (found.version, found.droppable, found.reasons[0].reason) == ("v2", False, "IsStorageVersion")
