"""Once an old version is dropped, every field manager still owns what it owned, and server-side apply still works."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from asyncmigrate import Cluster, CRDReport, Outcome, RetryPolicy, plan, run
from tests.bed.bed import Bed
from tests.bed.owners import apply, entries, owners, read, update, versions
from tests.bed.scenes import Manifest, crd, obj

BRIEF = RetryPolicy(first_wait=0.01, max_wait=0.05, max_seconds=1)
ITEM: Manifest = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "size": {"type": "integer"}},
    "required": ["name"],
}
SCHEMA: Manifest = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                **{name: {"type": "string"} for name in ("a", "b", "c", "d")},
                "replicas": {"type": "integer"},
                "items": {
                    "type": "array",
                    "items": ITEM,
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                },
            },
        },
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}


def widgets(bed: Bed, storage: str, *names: str, **more: Any) -> Manifest:  # noqa: ANN401
    """A CRD of widgets with a status, whose versions have the same schema."""
    return crd(bed.group, storage, *names, status=True, schemas=dict.fromkeys(names, SCHEMA), **more)


async def migrate(bed: Bed, *, clean_only: bool = False, **how: Any) -> CRDReport:  # noqa: ANN401
    async with bed.cluster() as cluster:
        made = await plan(cluster, names=[f"widgets.{bed.group}"], clean_only=clean_only)
        report = await run(cluster, made, settle=0, **how)
    return report.crds[0]


async def drop(bed: Bed, manifest: Manifest) -> Manifest:
    """Make the CRD as it is in `manifest`, which lacks a version that no object is stored in any more."""
    after = await bed.apply_crd(manifest)
    assert [v["name"] for v in after["spec"]["versions"]] == [v["name"] for v in manifest["spec"]["versions"]]
    return after


async def applied(bed: Bed, manifest: Manifest, version: str, by: str, **fields: Any) -> Manifest:  # noqa: ANN401
    answer = await apply(bed, manifest, version, by, **fields)
    assert answer.is_success, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def test_after_two_moves_and_two_drops_each_manager_applies_and_removes_what_it_leaves_out(bed: Bed) -> None:
    first = await bed.apply_crd(widgets(bed, "v1alpha1", "v1alpha1"))
    await applied(bed, first, "v1alpha1", "flux", spec={"a": "1", "b": "1"})
    await applied(bed, first, "v1alpha1", "helm", spec={"c": "1", "items": [{"name": "x"}, {"name": "y", "size": 1}]})
    await update(bed, first, "v1alpha1", "controller", part="/status", status={"ready": True})
    await update(bed, first, "v1alpha1", "kubectl", spec={"d": "1"})
    await bed.apply_crd(widgets(bed, "v1beta1", "v1alpha1", "v1beta1"))
    assert (await migrate(bed)).outcome is Outcome.MIGRATED
    await bed.apply_crd(widgets(bed, "v1", "v1alpha1", "v1beta1", "v1"))
    found = await migrate(bed)
    assert (found.outcome, found.owners_left) == (Outcome.MIGRATED, ())
    last = await drop(bed, widgets(bed, "v1", "v1"))
    before = owners(await read(bed, last, "v1"))
    assert set(before) == {
        ("flux", "Apply", "v1", ""),
        ("helm", "Apply", "v1", ""),
        ("controller", "Update", "v1", "status"),
        ("kubectl", "Update", "v1", ""),
    }
    after = await applied(bed, last, "v1", "flux", spec={"a": "2"})
    assert after["spec"] == {"a": "2", "c": "1", "d": "1", "items": [{"name": "x"}, {"name": "y", "size": 1}]}
    after = await applied(bed, last, "v1", "helm", spec={"items": [{"name": "y"}]})
    assert after["spec"] == {"a": "2", "d": "1", "items": [{"name": "y"}]}
    after = await update(bed, last, "v1", "controller", part="/status", status={"ready": False})
    assert owners(after)["controller", "Update", "v1", "status"] == before["controller", "Update", "v1", "status"]


async def test_manager_with_entries_in_two_versions_owns_both_in_one(bed: Bed) -> None:
    both = await bed.apply_crd(widgets(bed, "v1", "v1", "v2"))
    await bed.create(both, obj(both, "v1", "w", spec={"a": "1"}))
    await update(bed, both, "v1", "one", spec={"b": "1", "items": [{"name": "x"}]})
    await update(bed, both, "v2", "one", spec={"c": "1", "items": [{"name": "x", "size": 2}]})
    await applied(bed, both, "v1", "one", spec={"d": "1"})
    before = await read(bed, both, "v1")
    assert {v for m, o, v, _ in owners(before) if (m, o) == ("one", "Update")} == {"v1", "v2"}
    await bed.apply_crd(widgets(bed, "v2", "v1", "v2"))
    assert (await migrate(bed)).outcome is Outcome.MIGRATED
    after = await drop(bed, widgets(bed, "v2", "v2"))
    found = owners(await read(bed, after, "v2"))
    assert found["one", "Update", "v2", ""] == {
        "f:spec": {
            "f:b": {},
            "f:c": {},
            "f:items": {".": {}, 'k:{"name":"x"}': {".": {}, "f:name": {}, "f:size": {}}},
        }
    }
    assert found["one", "Apply", "v2", ""] == {"f:spec": {"f:d": {}}}
    assert (await applied(bed, after, "v2", "one", spec={}))["spec"].keys() == {"a", "b", "c", "items"}
    newest = max(e["time"] for e in entries(before) if (e["manager"], e["operation"]) == ("one", "Update"))
    moved = [e for e in entries(await read(bed, after, "v2")) if (e["manager"], e["operation"]) == ("one", "Update")]
    assert [e["time"] for e in moved] == [newest]


async def test_entries_of_a_version_that_is_gone_already_are_moved_and_apply_works_again(bed: Bed) -> None:
    """As after the clean-up of storage versions by other tools: 1.36 would remove all entries at the next write."""
    first = await bed.apply_crd(widgets(bed, "v1", "v1"))
    await applied(bed, first, "v1", "flux", spec={"a": "1", "b": "1"})
    await update(bed, first, "v1", "controller", part="/status", status={"ready": True})
    await bed.apply_crd(widgets(bed, "v2", "v1", "v2"))
    assert (await migrate(bed, managed_fields="keep")).outcome is Outcome.MIGRATED
    gone = await drop(bed, widgets(bed, "v2", "v2"))
    assert versions(await read(bed, gone, "v2")) == {"v1"}
    broken = await apply(bed, gone, "v2", "flux", spec={"a": "2"})
    assert (broken.status_code, "invalid group/version" in broken.text) == (500, True)
    await bed.apply_crd(widgets(bed, "v3", "v2", "v3"))
    found = await migrate(bed)
    assert (found.outcome, found.objects.rewritten, found.owners_left) == (Outcome.MIGRATED, 1, ())
    last = await drop(bed, widgets(bed, "v3", "v3"))
    kept = owners(await read(bed, last, "v3"))
    assert set(kept) == {("flux", "Apply", "v3", ""), ("controller", "Update", "v3", "status")}
    assert (await applied(bed, last, "v3", "flux", spec={"a": "2"}))["spec"] == {"a": "2"}


async def test_keep_never_writes_an_object_so_that_the_server_removes_its_owners(bed: Bed) -> None:
    first = await bed.apply_crd(widgets(bed, "v1", "v1"))
    await applied(bed, first, "v1", "flux", spec={"a": "1", "b": "1"})
    await bed.apply_crd(widgets(bed, "v2", "v1", "v2"))
    assert (await migrate(bed, managed_fields="keep")).outcome is Outcome.MIGRATED
    await drop(bed, widgets(bed, "v2", "v2"))
    await bed.apply_crd(widgets(bed, "v3", "v2", "v3"))
    assert (await migrate(bed, managed_fields="keep")).outcome is Outcome.MIGRATED
    found = await read(bed, widgets(bed, "v3", "v2", "v3"), "v3")
    assert [e["manager"] for e in entries(found)] == ["flux"]
    assert versions(found) == ({"v1"} if bed.minor >= 37 else {"v3"})


async def test_entry_of_scale_is_moved_and_scaling_still_works(bed: Bed) -> None:
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    first = await bed.apply_crd(widgets(bed, "v1", "v1", scale=scale))
    await applied(bed, first, "v1", "flux", spec={"a": "1", "replicas": 1})
    await update(bed, first, "v1", "autoscaler", part="/scale", spec={"replicas": 2})
    await bed.apply_crd(widgets(bed, "v2", "v1", "v2", scale=scale))
    assert (await migrate(bed)).outcome is Outcome.MIGRATED
    after = await drop(bed, widgets(bed, "v2", "v2", scale=scale))
    found = owners(await read(bed, after, "v2"))
    assert found["autoscaler", "Update", "v2", "scale"] == {"f:spec": {"f:replicas": {}}}
    await update(bed, after, "v2", "autoscaler", part="/scale", spec={"replicas": 3})
    last = await read(bed, after, "v2")
    assert owners(last) == found
    assert last["spec"]["replicas"] == 3
    assert (await applied(bed, after, "v2", "flux", spec={"a": "2"}))["spec"] == {"a": "2", "replicas": 3}


async def test_object_that_is_proven_current_is_written_only_if_its_entries_are_old(bed: Bed) -> None:
    first = await bed.apply_crd(widgets(bed, "v1", "v1", "v2"))
    await bed.apply_crd(widgets(bed, "v2", "v1", "v2"))
    await bed.pass_time(2.5)
    await applied(bed, first, "v1", "old", name="through-v1", spec={"a": "1"})
    await applied(bed, first, "v2", "new", name="through-v2", spec={"a": "1"})
    assert (await migrate(bed, managed_fields="keep", proof_margin=1.0, dry_run=True)).objects.rewritten == 2
    found = await migrate(bed, proof_margin=1.0)
    assert found.outcome is Outcome.MIGRATED
    assert (found.objects.proven, found.objects.rewritten) == (1, 1)
    after = await drop(bed, widgets(bed, "v2", "v2"))
    assert versions(await read(bed, after, "v2", "through-v1")) == {"v2"}


async def test_clean_only_moves_entries_where_storage_is_fine_and_writes_nothing_else(bed: Bed) -> None:
    first = await bed.apply_crd(widgets(bed, "v1", "v1"))
    for number in range(3):
        await applied(bed, first, "v1", "flux", name=f"w-{number}", spec={"a": "1", "b": "1"})
    second = await bed.apply_crd(widgets(bed, "v2", "v1", "v2"))
    stale = await migrate(bed, clean_only=True)
    assert (stale.outcome, stale.reason) == (Outcome.BLOCKED, "Stale")
    assert (await migrate(bed, managed_fields="keep")).outcome is Outcome.MIGRATED
    await applied(bed, second, "v2", "flux", name="w-3", spec={"a": "1"})
    before = (await bed.live_crd(f"widgets.{bed.group}"))["metadata"]["resourceVersion"]
    untouched = (await read(bed, second, "v2", "w-3"))["metadata"]["resourceVersion"]
    rehearsed = await migrate(bed, clean_only=True, dry_run=True)
    assert (rehearsed.outcome, rehearsed.objects.rewritten) == (Outcome.SKIPPED, 3)
    found = await migrate(bed, clean_only=True)
    assert (found.outcome, found.reason, found.trimmed_by) == (Outcome.MIGRATED, "ManagedFieldsMoved", None)
    assert (found.objects.proven, found.objects.rewritten) == (1, 3)
    assert {(w.manager, w.api_version.rpartition("/")[2], w.objects) for w in found.writers} == {
        ("flux", "v1", 3),
        ("flux", "v2", 1),
    }
    assert (await bed.live_crd(f"widgets.{bed.group}"))["metadata"]["resourceVersion"] == before
    assert (await read(bed, second, "v2", "w-3"))["metadata"]["resourceVersion"] == untouched
    last = await drop(bed, widgets(bed, "v2", "v2"))
    assert (await applied(bed, last, "v2", "flux", name="w-0", spec={"a": "2"}))["spec"] == {"a": "2"}
    again = await migrate(bed, clean_only=True)
    assert (again.objects.proven, again.objects.rewritten) == (4, 0)


def before_each_write(bed: Bed, act: Callable[[str, int], Awaitable[object]]) -> Callable[[httpx.Request], Any]:
    """Act just before each write of an object, told its name and how many came before it."""
    seen: Counter[str] = Counter()

    async def hook(request: httpx.Request) -> None:
        path, _, name = request.url.path.rpartition("/")
        if request.method == "PATCH" and path.endswith(f"/{bed.group}/v2/namespaces/default/widgets"):
            seen[name] += 1
            await act(name, seen[name])

    return hook


async def migrate_beside(bed: Bed, act: Callable[[str, int], Awaitable[object]], **how: Any) -> CRDReport:  # noqa: ANN401
    hook = before_each_write(bed, act)
    async with bed.client(event_hooks={"request": [hook]}) as client, Cluster.from_httpx(client) as cluster:
        made = await plan(cluster, names=[f"widgets.{bed.group}"])
        return (await run(cluster, made, settle=0, **how)).crds[0]


async def test_conflicts_lose_no_update_and_no_owner(bed: Bed) -> None:
    first = await bed.apply_crd(widgets(bed, "v1", "v1", "v2"))
    for number in range(4):
        await applied(bed, first, "v1", "flux", name=f"w-{number}", spec={"a": "1", "b": "1"})
    await bed.apply_crd(widgets(bed, "v2", "v1", "v2"))

    async def write_first(name: str, before: int) -> None:
        if before <= 2:
            await update(bed, first, "v1", f"other-{before}", name=name, spec={"cd"[before - 1]: "mine"})

    found = await migrate_beside(bed, write_first)
    assert (found.outcome, found.objects.rewritten) == (Outcome.MIGRATED, 4)
    after = await drop(bed, widgets(bed, "v2", "v2"))
    for number in range(4):
        now = await read(bed, after, "v2", f"w-{number}")
        assert now["spec"] == {"a": "1", "b": "1", "c": "mine", "d": "mine"}
        assert set(owners(now)) == {
            ("flux", "Apply", "v2", ""),
            ("other-1", "Update", "v2", ""),
            ("other-2", "Update", "v2", ""),
        }


async def test_object_that_is_written_all_the_time_is_migrated_and_its_owners_are_reported_as_left(bed: Bed) -> None:
    first = await bed.apply_crd(widgets(bed, "v1", "v1", "v2"))
    await applied(bed, first, "v1", "flux", spec={"a": "1"})
    await bed.apply_crd(widgets(bed, "v2", "v1", "v2"))

    async def write(name: str, before: int) -> None:
        await update(bed, first, "v1", "busy", name=name, spec={"b": str(before)})

    found = await migrate_beside(bed, write, retry_policy=BRIEF)
    if bed.minor < 37:  # an empty patch could remove them all, should a version be dropped at this moment
        assert (found.outcome, found.failures[0].reason) == (Outcome.INCOMPLETE, "Conflict")
        return
    assert (found.outcome, found.objects.rewritten) == (Outcome.MIGRATED, 1)
    assert {(o.manager, o.objects, o.fields) for o in found.owners_left} == {("flux", 1, ()), ("busy", 1, ())}
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v2"}


async def test_object_that_is_deleted_or_made_anew_before_its_write_settles(bed: Bed) -> None:
    first = await bed.apply_crd(widgets(bed, "v1", "v1", "v2"))
    for number in range(3):
        await applied(bed, first, "v1", "flux", name=f"w-{number}", spec={"a": "1"})
    await bed.apply_crd(widgets(bed, "v2", "v1", "v2"))

    async def replace(name: str, before: int) -> None:
        if before == 1 and name != "w-2":
            await bed.http.delete(bed.path(first, "v1", name=name))
        if before == 1 and name == "w-1":
            await applied(bed, first, "v1", "helm", name=name, spec={"b": "1"})

    found = await migrate_beside(bed, replace)
    assert found.outcome is Outcome.MIGRATED
    assert (found.objects.rewritten, found.objects.gone, found.objects.failed) == (2, 1, 0)
    assert owners(await read(bed, first, "v2", "w-1")).keys() == {("helm", "Apply", "v2", "")}


async def test_answer_that_is_lost_is_asked_for_again_and_nothing_is_written_twice(bed: Bed) -> None:
    """The patch was done: the next try finds its own work, and moves on."""
    first = await bed.apply_crd(widgets(bed, "v1", "v1", "v2"))
    await applied(bed, first, "v1", "flux", spec={"a": "1"})
    await bed.apply_crd(widgets(bed, "v2", "v1", "v2"))
    lost: list[str] = []

    async def lose(response: httpx.Response) -> None:
        if response.request.method == "PATCH" and response.request.url.path.endswith("/widgets/w") and not lost:
            lost.append(json.loads(await response.aread())["metadata"]["resourceVersion"])
            raise httpx.ReadError("lost", request=response.request)

    async with bed.client(event_hooks={"response": [lose]}) as client, Cluster.from_httpx(client) as cluster:
        made = await plan(cluster, names=[f"widgets.{bed.group}"])
        report = await run(cluster, made, settle=0)
    assert (report.crds[0].outcome, report.objects.rewritten) == (Outcome.MIGRATED, 1)
    now = await read(bed, first, "v2")
    assert [now["metadata"]["resourceVersion"]] == lost
    assert owners(now) == {("flux", "Apply", "v2", ""): {"f:spec": {"f:a": {}}}}


async def test_proven_object_that_is_written_all_the_time_is_reported_as_left_too(bed: Bed) -> None:
    first = await bed.apply_crd(widgets(bed, "v1", "v1"))
    await applied(bed, first, "v1", "flux", spec={"a": "1"})
    await bed.apply_crd(widgets(bed, "v2", "v1", "v2"))
    assert (await migrate(bed, managed_fields="keep")).outcome is Outcome.MIGRATED

    async def write(name: str, before: int) -> None:
        await update(bed, widgets(bed, "v2", "v1", "v2"), "v1", "busy", name=name, spec={"b": str(before)})

    hook = before_each_write(bed, write)
    async with bed.client(event_hooks={"request": [hook]}) as client, Cluster.from_httpx(client) as cluster:
        made = await plan(cluster, names=[f"widgets.{bed.group}"], clean_only=True)
        found = (await run(cluster, made, settle=0, retry_policy=BRIEF)).crds[0]
    if bed.minor < 37:  # an empty patch could remove them all, should a version be dropped at this moment
        assert (found.outcome, found.objects.failed) == (Outcome.INCOMPLETE, 1)
    else:
        assert (found.outcome, found.reason) == (Outcome.INCOMPLETE, "OwnersLeft")
        assert {o.manager for o in found.owners_left} == {"flux", "busy"}


@pytest.mark.parametrize("when", ["before", "during"])
async def test_clean_only_never_trims_what_became_stale_meanwhile(bed: Bed, when: str) -> None:
    """What storedVersions proved at the plan is not so any more: an object may be stored in v1 again."""
    first = await bed.apply_crd(widgets(bed, "v1", "v1"))
    await applied(bed, first, "v1", "flux", spec={"a": "1"})
    await bed.apply_crd(widgets(bed, "v2", "v1", "v2"))
    assert (await migrate(bed, managed_fields="keep")).outcome is Outcome.MIGRATED
    back: list[str] = []

    async def there_and_back(name: str, before: int) -> None:
        if not back:
            back.append(f"{name} {before}")
            await bed.apply_crd(widgets(bed, "v1", "v1", "v2"))
            await applied(bed, first, "v2", "late", name="late", spec={"a": "1"})
            await bed.apply_crd(widgets(bed, "v2", "v1", "v2"))

    hook = before_each_write(bed, there_and_back)
    async with bed.client(event_hooks={"request": [hook]}) as client, Cluster.from_httpx(client) as cluster:
        made = await plan(cluster, names=[f"widgets.{bed.group}"], clean_only=True)
        if when == "before":
            await there_and_back("", 0)
        found = (await run(cluster, made, settle=0)).crds[0]
    assert (found.outcome, found.reason, found.trimmed_by) == (Outcome.INCOMPLETE, "Stale", None)
    assert set(await bed.stored_versions(f"widgets.{bed.group}")) == {"v1", "v2"}
    # Another run does all of it.
    assert (await migrate(bed)).outcome is Outcome.MIGRATED
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v2"}


LABELS: Manifest = {"type": "object", "additionalProperties": {"type": "string"}}
MORE: Manifest = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}


@pytest.mark.parametrize(
    ("old", "new", "mine", "theirs"),
    [
        (LABELS | {"x-kubernetes-map-type": "atomic"}, LABELS, {"x": "1"}, {"x": "2"}),
        (
            {"type": "array", "items": MORE},
            {
                "type": "array",
                "items": MORE | {"required": ["a"]},
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["a"],
            },
            [{"a": "1", "b": "1"}],
            [{"a": "1", "b": "2"}],
        ),
    ],
)
async def test_what_a_schema_divides_otherwise_is_left_and_stays_protected(
    bed: Bed, old: Manifest, new: Manifest, mine: object, theirs: object
) -> None:
    """Moved as it is, an entry that owns the whole of it would own nothing of what is below."""

    def crd_of(storage: str) -> Manifest:
        spec = {"type": "object", "properties": {"a": {"type": "string"}, "it": old}}
        schemas = {"v1": {"type": "object", "properties": {"spec": spec}}}
        spec = {"type": "object", "properties": {"a": {"type": "string"}, "it": new}}
        schemas["v2"] = {"type": "object", "properties": {"spec": spec}}
        return crd(bed.group, storage, "v1", "v2", schemas=schemas)

    first = await bed.apply_crd(crd_of("v1"))
    await applied(bed, first, "v1", "flux", spec={"a": "1", "it": mine})
    await applied(bed, first, "v1", "helm", name="other", spec={"a": "1"})
    after = await bed.apply_crd(crd_of("v2"))
    found = await migrate(bed)
    assert found.outcome is Outcome.MIGRATED
    assert [(o.manager, o.fields, o.objects) for o in found.owners_left] == [("flux", ("spec.it",), 1)]
    assert versions(await read(bed, after, "v2", "other")) == {"v2"}
    answer = await apply(bed, after, "v2", "helm", force=False, spec={"it": theirs})
    assert answer.status_code == 409
    assert (await applied(bed, after, "v2", "flux", spec={"a": "1"}))["spec"] == {"a": "1"}


async def test_schemas_that_become_alike_during_the_run_let_all_entries_be_moved(bed: Bed) -> None:
    def crd_of(storage: str, old: Manifest) -> Manifest:
        fields = {"v1": old, "v2": LABELS}
        spec = {v: {"type": "object", "properties": {"it": it}} for v, it in fields.items()}
        schemas = {v: {"type": "object", "properties": {"spec": s}} for v, s in spec.items()}
        return crd(bed.group, storage, "v1", "v2", schemas=schemas)

    whole = LABELS | {"x-kubernetes-map-type": "atomic"}
    first = await bed.apply_crd(crd_of("v1", whole))
    await applied(bed, first, "v1", "flux", spec={"it": {"x": "1"}})
    after = await bed.apply_crd(crd_of("v2", whole))

    async def make_alike(name: str, before: int) -> None:
        if name == "w" and before == 1:
            await bed.apply_crd(crd_of("v2", LABELS))

    found = await migrate_beside(bed, make_alike)
    assert (found.outcome, found.owners_left) == (Outcome.MIGRATED, ())
    assert versions(await read(bed, after, "v2")) == {"v2"}


async def test_report_says_who_has_written_through_which_version(bed: Bed) -> None:
    both = await bed.apply_crd(widgets(bed, "v1", "v1", "v2"))
    await applied(bed, both, "v1", "flux", name="w-0", spec={"a": "1"})
    await applied(bed, both, "v1", "flux", name="w-1", spec={"a": "1"})
    await update(bed, both, "v2", "controller", name="w-1", part="/status", status={"ready": True})
    await bed.apply_crd(widgets(bed, "v2", "v1", "v2"))
    found = await migrate(bed)
    assert [(w.manager, w.api_version, w.objects) for w in found.writers] == [
        ("flux", f"{bed.group}/v1", 2),
        ("controller", f"{bed.group}/v2", 1),
    ]
    assert all(w.newest for w in found.writers)
    assert versions(await read(bed, both, "v2", "w-1")) == {"v2"}
