"""The verdict about one version, as a table, and what it says."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
import pytest

from asyncmigrate import CRD
from asyncmigrate._model import Writer
from asyncmigrate._results.droppable import AdmissionUse, ManifestMention, ManifestUse, NotChecked, OwnedObjects
from asyncmigrate._rules.decisions.drop_reasons import VersionFacts
from asyncmigrate._rules.decisions.droppable import (
    has_or_had,
    storage_version_use,
    version_use,
    version_uses,
    versions_to_drop,
)
from asyncmigrate._rules.decisions.writer_words import writers_words
from tests.unit.rules.cases import AT, MOVED, crd

CLEAN = crd("v2", "v1", "v2", stored=("v2",))
QUIET = crd("v2", "-v1", "v2", stored=("v2",))
STALE = crd("v2", "v1", "v2", stored=("v1", "v2"))
GONE = crd("v2", "v2", stored=("v2",))
OWNED = OwnedObjects(resource="gadgets.example.com", objects=2, example="default/g")
ADMISSION = AdmissionUse(kind="ValidatingAdmissionPolicy", name="p")
MANIFEST = ManifestUse(source="a.yaml", objects=1, names=("w",))
NAMED = ManifestMention(source="b.yaml", at="spec.ref", as_api_version=True)
APART = ManifestMention(source="b.yaml", at="target", as_api_version=False)
PARAM = AdmissionUse(kind="ValidatingAdmissionPolicy", name="p", param=True)
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
    (QUIET, {"owners": (), "admission": (PARAM,)}, ["ParamKindInIt"], []),
    (QUIET, {"owners": (), "mentions": (NAMED,)}, ["ManifestsNameIt"], []),
    (QUIET, {"owners": (), "mentions": (APART,)}, [], ["ManifestsNameIt"]),
    (crd("v2", "v1", "-v2", stored=("v2",)), {"owners": ()}, ["OnlyServedVersion"], ["StillServed"]),
    (crd("v2", "-v1", "-v2", stored=("v2",)), {"owners": ()}, [], []),
    (crd("v3", "v1", "v2", "-v3", stored=("v3",)), {"owners": ()}, [], ["StillServed"]),
    (msgspec.structs.replace(QUIET, terminating=True), {"owners": ()}, [], ["CRDTerminating"]),
    (GONE, {"objects": 1}, ["OwnersInGoneVersion"], []),
    (GONE, {"objects": 0, "owners": (OWNED,)}, ["OwnerReferencesInIt"], []),
    (GONE, {"objects": 0, "manifests": (MANIFEST,)}, ["ManifestsUseIt"], []),
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


def together(live: CRD, *versions: str, **facts: Any) -> dict[str, list[str]]:  # noqa: ANN401
    def make(version: str, going: frozenset[str]) -> VersionFacts:
        found = {name: {v: of for v, of in by.items() if v == version}.get(version) for name, by in facts.items()}
        return VersionFacts(crd=live, version=version, owners=(), going=going, **{k: v for k, v in found.items() if v})

    return {u.version: [r.reason for r in u.reasons] for u in version_uses(partial(make, v) for v in versions)}


def test_verdicts_hold_for_all_versions_that_can_be_dropped_at_once() -> None:
    live = crd("v3", "v1", "v2", "-v3", stored=("v3",))
    assert together(live, "v1") == {"v1": []}
    assert together(live, "v1", "v2") == {"v1": ["OnlyServedVersion"], "v2": ["OnlyServedVersion"]}
    assert together(live, "v1", "v2", objects={"v2": 3}) == {"v1": [], "v2": ["OwnersInIt"]}


def test_what_is_said_of_versions_that_go_together() -> None:
    facts = VersionFacts(crd=crd("v3", "v1", "v2", "-v3", stored=("v3",), webhook=True), version="v1")
    both = msgspec.structs.replace(facts, going=frozenset({"v1", "v2"}), admission=(ADMISSION,))
    found = version_use(both)
    assert [r.message for r in found.reasons] == [
        "v1 and v2 are all versions that are served: once no version is, objects can be neither read nor written",
        "ValidatingAdmissionPolicy p has rules for v1 and no version that stays once v2 is dropped too: "
        "they would no longer apply to anything, through any version",
    ]
    assert found.notes[-1].message == "without v1 and v2 there is nothing to convert: only v3 is left"


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
