"""ConfigMaps, Events and Leases on both servers: what records kept in them build on, and what Events have to say."""

from __future__ import annotations

from typing import Any

import anyio
import httpx
import pytest

from tests.bed.bed import MERGE, Bed
from tests.bed.scenes import Manifest
from tests.contract.test_server import said

JSON_PATCH = {"Content-Type": "application/json-patch+json"}
CORE, EVENTS, LEASES = "/api/v1", "/apis/events.k8s.io/v1", "/apis/coordination.k8s.io/v1"
NOW = "2026-11-30T20:00:00.000000Z"


def at(base: str, plural: str, name: str = "", namespace: str = "default") -> str:
    return f"{base}/namespaces/{namespace}/{plural}" + (f"/{name}" if name else "")


def config_map(name: str, **more: Any) -> Manifest:  # noqa: ANN401 -- any JSON
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "1"}} | more


def lease(name: str, **spec: Any) -> Manifest:  # noqa: ANN401
    spec = {"holderIdentity": "me"} | spec
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}, "spec": spec}


def event(name: str, **more: Any) -> Manifest:  # noqa: ANN401
    """An Event as clients of the core API write it, about something in no namespace."""
    about = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "name": "widgets.example.com"}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name},
        "involvedObject": about,
        "reason": "Tested",
        "message": "well",
        "type": "Normal",
        "count": 1,
        "firstTimestamp": "2026-11-30T20:00:00Z",
        "lastTimestamp": "2026-11-30T20:00:00Z",
        "source": {"component": "tests"},
    } | more


def new_event(name: str, **more: Any) -> Manifest:  # noqa: ANN401
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name},
        "eventTime": NOW,
        "regarding": event("")["involvedObject"],
        "reason": "Tested",
        "note": "well",
        "type": "Normal",
        "action": "Test",
        "reportingController": "tests",
        "reportingInstance": "tests-0",
    } | more


KINDS = [
    pytest.param(CORE, "configmaps", config_map, id="configmap"),
    pytest.param(CORE, "events", event, id="event"),
    pytest.param(EVENTS, "events", new_event, id="new event"),
    pytest.param(LEASES, "leases", lease, id="lease"),
]


async def made(bed: Bed, base: str, plural: str, body: Manifest, namespace: str = "default") -> Manifest:
    answer = await bed.http.post(at(base, plural, namespace=namespace), json=body)
    assert answer.status_code == 201, answer.text
    found: Manifest = answer.json()
    bed.leftovers.append(at(base, plural, found["metadata"]["name"], namespace))
    return found


def name_in(bed: Bed, name: str = "x") -> str:
    return f"{name}.{bed.group}"


@pytest.mark.parametrize(("base", "plural", "body"), KINDS)
async def test_each_kind_is_made_read_listed_changed_and_deleted(bed: Bed, base: str, plural: str, body: Any) -> None:  # noqa: ANN401
    name = name_in(bed)
    target = at(base, plural, name)
    first = await made(bed, base, plural, body(name))
    meta = first["metadata"]
    assert {"uid", "creationTimestamp", "resourceVersion", "managedFields"} <= meta.keys()
    assert (meta["name"], meta["namespace"], "generation" in meta) == (name, "default", False)
    assert first == (await bed.http.get(target)).json()
    for where in (at(base, plural), f"{base}/{plural}"):
        listed = (await bed.http.get(where)).json()
        assert (listed["kind"], listed["apiVersion"]) == (f"{first['kind']}List", first["apiVersion"])
        [found] = [o for o in listed["items"] if o["metadata"]["name"] == name]
        assert found["metadata"] == meta
    elsewhere = (await bed.http.get(at(base, plural, namespace="kube-system"))).json()
    assert name not in {o["metadata"]["name"] for o in elsewhere["items"]}
    patched = (await bed.http.patch(target, json={"metadata": {"labels": {"l": "1"}}}, headers=MERGE)).json()
    assert int(patched["metadata"]["resourceVersion"]) > int(meta["resourceVersion"])
    by_label = (await bed.http.get(at(base, plural), params={"labelSelector": "l=1"})).json()["items"]
    assert name in {o["metadata"]["name"] for o in by_label}
    gone = (await bed.http.delete(target)).json()
    assert (gone["kind"], gone["status"], gone["details"]["name"]) == ("Status", "Success", name)
    assert gone["details"]["uid"] == meta["uid"]
    assert said(await bed.http.get(target))[:2] == (404, "NotFound")


@pytest.mark.parametrize(("base", "plural", "body"), KINDS)
async def test_a_stale_write_is_a_conflict_by_put_and_by_patches(bed: Bed, base: str, plural: str, body: Any) -> None:  # noqa: ANN401
    name = name_in(bed)
    target = at(base, plural, name)
    first = await made(bed, base, plural, body(name))
    old = first["metadata"]["resourceVersion"]
    labelled = first | {"metadata": first["metadata"] | {"labels": {"n": "1"}}}
    assert (await bed.http.put(target, json=labelled)).status_code == 200
    guard = {"op": "replace", "path": "/metadata/resourceVersion", "value": old}
    label = {"op": "add", "path": "/metadata/labels", "value": {"n": "2"}}
    stale = [
        await bed.http.put(target, json=labelled),
        await bed.http.patch(target, json={"metadata": {"resourceVersion": old, "labels": {"n": "2"}}}, headers=MERGE),
        await bed.http.patch(target, json=[guard, label], headers=JSON_PATCH),
    ]
    group = base.removeprefix("/apis/").partition("/")[0] if base != CORE else ""
    for answer in stale:
        code, reason, (about, found_group, kind) = said(answer)
        assert (code, reason, about, found_group or "", kind) == (409, "Conflict", name, group, plural)
        resource = f"{plural}.{group}" if group else plural
        assert answer.json()["message"].startswith(f'Operation cannot be fulfilled on {resource} "{name}": the object ')
    live = (await bed.http.get(target)).json()
    assert live["metadata"]["labels"] == {"n": "1"}
    guard["value"] = live["metadata"]["resourceVersion"]
    assert (await bed.http.patch(target, json=[guard, label], headers=JSON_PATCH)).is_success


@pytest.mark.parametrize(("base", "plural", "body"), KINDS)
async def test_errors_are_the_same(bed: Bed, base: str, plural: str, body: Any) -> None:  # noqa: ANN401
    name = name_in(bed)
    here = at(base, plural)
    first = await made(bed, base, plural, body(name))
    kind = first["kind"]
    wrong: list[tuple[httpx.Response, int, str, str]] = [
        (await bed.http.post(here, json=body(name)), 409, "AlreadyExists", f'"{name}" already exists'),
        (
            await bed.http.post(at(base, plural, namespace="nowhere"), json=body(name)),
            *(404, "NotFound", 'namespaces "nowhere" not found'),
        ),
        (await bed.http.post(here, json=body("")), 422, "Invalid", "metadata.name: Required value: name or gener"),
        (await bed.http.post(here, json=body("a/b")), 422, "Invalid", 'metadata.name: Invalid value: "a/b"'),
        (
            await bed.http.post(here, json=body("y") | {"metadata": {"name": "y", "namespace": "kube-system"}}),
            *(400, "BadRequest", "the namespace of the provided object does not match"),
        ),
        (await bed.http.post(here, json=body("y") | {"apiVersion": "v9"}), 400, "BadRequest", ""),
        (await bed.http.post(here, json=body("y") | {"kind": "Secret"}), 400, "BadRequest", ""),
        (await bed.http.post(here, json=body("y") | {"metadata": {"name": 1}}), 400, "BadRequest", ""),
        (
            await bed.http.put(f"{here}/{name}", json=body("other")),
            *(400, "BadRequest", f"(other) does not match the name on the URL ({name})"),
        ),
        (await bed.http.patch(f"{here}/none", content="{}", headers=MERGE), 404, "NotFound", '"none" not found'),
        (await bed.http.delete(f"{here}/none"), 404, "NotFound", '"none" not found'),
    ]
    for answer, code, reason, words in wrong:
        assert said(answer)[:2] == (code, reason), answer.text
        assert words in answer.json()["message"]
    assert wrong[2][0].json()["details"]["kind"] == kind
    assert (await bed.http.get(f"{here}/{name}/status")).status_code == 404


async def test_a_name_can_be_generated(bed: Bed) -> None:
    names = set()
    for _ in range(3):
        found = await made(bed, CORE, "configmaps", {"metadata": {"generateName": "made-"}})
        names.add(found["metadata"]["name"])
        assert found["metadata"]["generateName"] == "made-"
    assert len(names) == 3
    assert all(n.startswith("made-") and len(n) == len("made-") + 5 for n in names)


async def test_one_counter_of_resource_versions_serves_all_kinds(bed: Bed) -> None:
    found = [
        await made(bed, CORE, "configmaps", config_map(name_in(bed, "a"))),
        await made(bed, LEASES, "leases", lease(name_in(bed))),
        await made(bed, CORE, "configmaps", config_map(name_in(bed, "b"))),
    ]
    versions = [int(o["metadata"]["resourceVersion"]) for o in found]
    assert versions == sorted(set(versions))


async def test_only_one_of_many_that_write_at_once_gets_through(bed: Bed) -> None:
    """What records shared by processes build on."""
    name = name_in(bed)
    first = await made(bed, CORE, "configmaps", config_map(name))
    codes: list[int] = []

    async def write(n: int) -> None:
        answer = await bed.http.put(at(CORE, "configmaps", name), json=first | {"data": {"by": str(n)}})
        codes.append(answer.status_code)

    async with anyio.create_task_group() as tasks:
        for n in range(8):
            tasks.start_soon(write, n)
    assert sorted(codes) == [200] + [409] * 7


async def test_a_put_makes_leases_and_events_but_no_config_map(bed: Bed) -> None:
    name = name_in(bed)
    codes = {}
    for base, plural, body in (
        (CORE, "configmaps", config_map(name)),
        (LEASES, "leases", lease(name)),
        (CORE, "events", event(name)),
    ):
        bed.leftovers.append(at(base, plural, name))
        codes[plural] = (await bed.http.put(at(base, plural, name), json=body)).status_code
    assert codes == {"configmaps": 404, "leases": 201, "events": 201}
    again = await bed.http.put(at(LEASES, "leases", name), json=lease(name, holderIdentity="me"))
    assert said(again)[:2] == (422, "Invalid")
    assert "metadata.resourceVersion: Invalid value" in again.json()["message"]
    assert "must be specified for an update" in again.json()["message"]
    # A PUT of the others without a resource version is no question of who was first.
    assert (await bed.http.put(at(CORE, "events", name), json=event(name, message="better"))).status_code == 200


async def test_config_maps_hold_text_up_to_a_mebibyte(bed: Bed) -> None:
    name = name_in(bed)
    here = at(CORE, "configmaps")
    kept = await made(bed, CORE, "configmaps", config_map(name, data={"a": "x" * (1 << 20)}, unknown=1))
    assert len(kept["data"]["a"]) == 1 << 20
    assert "unknown" not in kept
    target = f"{here}/{name}"
    wrong = [
        (await bed.http.patch(target, json={"data": {"b": "1"}}, headers=MERGE), 422, "Too long: may not be more than"),
        (await bed.http.post(here, json=config_map("y", data={"no/key": ""})), 422, "data[no/key]: Invalid value"),
        (await bed.http.post(here, json=config_map("y", data={"..": ""})), 422, "data[..]: Invalid value"),
        (await bed.http.post(here, json=config_map("y", data={"n": 1})), 400, "cannot be handled as a ConfigMap"),
        (await bed.http.post(here, json=config_map("y", data="n")), 400, "cannot be handled as a ConfigMap"),
        (await bed.http.post(here, json=config_map("y", binaryData={"n": "?"})), 400, "ConfigMap"),
        (await bed.http.post(here, json=config_map("y", binaryData={"a": "eA=="})), 422, "duplicate of key present"),
    ]
    for answer, code, words in wrong:
        assert (answer.status_code, words in answer.json()["message"]) == (code, True), answer.text[:500]
    too_large = await bed.http.post(here, json=config_map("y", data={"n": "x" * 3 * (1 << 20)}))
    assert said(too_large)[:2] == (413, "RequestEntityTooLarge")
    frozen = await made(bed, CORE, "configmaps", config_map(name_in(bed, "frozen"), immutable=True))
    target = at(CORE, "configmaps", frozen["metadata"]["name"])
    refused = await bed.http.patch(target, json={"data": {"a": "2"}}, headers=MERGE)
    assert said(refused)[:2] == (422, "Invalid")
    assert "field is immutable when `immutable` is set" in refused.json()["message"]
    assert (await bed.http.patch(target, json={"metadata": {"labels": {"a": "b"}}}, headers=MERGE)).is_success


async def test_leases_hold_times_of_six_digits(bed: Bed) -> None:
    name = name_in(bed)
    spec = {"holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": NOW, "leaseTransitions": 0}
    assert (await made(bed, LEASES, "leases", lease(name, **spec)))["spec"] == spec
    here = at(LEASES, "leases")
    for wrong, code in (
        ({"renewTime": "2026-11-30T20:00:00Z"}, 400),
        ({"leaseDurationSeconds": "15"}, 400),
        ({"leaseDurationSeconds": 0}, 422),
        ({"leaseTransitions": -1}, 422),
    ):
        assert (await bed.http.post(here, json=lease("y", **wrong))).status_code == code, wrong


async def test_an_event_is_one_object_in_both_api_groups(bed: Bed) -> None:
    name = name_in(bed)
    core = await made(bed, CORE, "events", event(name))
    assert (core["eventTime"], core["reportingComponent"], core["reportingInstance"]) == (None, "", "")
    new = (await bed.http.get(at(EVENTS, "events", name))).json()
    assert (new["apiVersion"], new["metadata"]["uid"]) == ("events.k8s.io/v1", core["metadata"]["uid"])
    assert (new["note"], new["regarding"], new["deprecatedSource"], new["deprecatedCount"]) == (
        *("well", core["involvedObject"]),
        *({"component": "tests"}, 1),
    )
    assert new["deprecatedFirstTimestamp"] == core["firstTimestamp"]
    written = await made(bed, EVENTS, "events", new_event(name_in(bed, "new")))
    seen = (await bed.http.get(at(CORE, "events", name_in(bed, "new")))).json()
    assert (seen["message"], seen["reportingComponent"], seen["eventTime"]) == ("well", "tests", NOW)
    assert (seen["source"], seen["firstTimestamp"], "count" in seen) == ({}, None, False)
    # Counted up, as client-go does: a series, and nothing else may change there.
    target = at(EVENTS, "events", name_in(bed, "new"))
    counted = await bed.http.patch(target, json={"series": {"count": 2, "lastObservedTime": NOW}}, headers=MERGE)
    assert counted.json()["series"]["count"] == 2
    assert written["metadata"]["uid"] == counted.json()["metadata"]["uid"]
    assert said(await bed.http.patch(target, json={"note": "other"}, headers=MERGE))[:2] == (422, "Invalid")
    # The old group lets all of an old Event be written.
    changed = await bed.http.patch(at(CORE, "events", name), json={"message": "new", "count": 2}, headers=MERGE)
    assert (changed.json()["message"], changed.json()["count"]) == ("new", 2)


async def test_what_an_event_has_to_say(bed: Bed) -> None:
    about = event("")["involvedObject"]
    cases = [
        # About what has no namespace: in default; with an eventTime in kube-system too.
        (CORE, event("y"), "kube-system", 422, "involvedObject.namespace"),
        (CORE, event("y", involvedObject=about | {"namespace": "other"}), "default", 422, "involvedObject.namespace"),
        (EVENTS, new_event("y", action=""), "default", 422, "action: Required value"),
        (EVENTS, new_event("y", reason="r" * 129), "default", 422, "can have at most 128 characters"),
        (EVENTS, new_event("y", note="n" * 1025), "default", 422, "message: Invalid value"),
        (EVENTS, new_event("y", note="ü" * 513), "default", 422, "can have at most 1024 characters"),
        (EVENTS, new_event("y", type="Odd"), "default", 422, "type: Invalid value"),
        (EVENTS, new_event("y", eventTime=None), "default", 422, "eventTime: Required value"),
        (EVENTS, new_event("y", deprecatedCount=1), "default", 422, "count: Invalid value"),
        (EVENTS, new_event("y", series={"count": 1, "lastObservedTime": NOW}), "default", 422, "series.count"),
        (EVENTS, new_event("y", reportingInstance=""), "default", 422, "reportingInstance: Required value"),
    ]
    for base, body, namespace, code, words in cases:
        answer = await bed.http.post(at(base, "events", namespace=namespace), json=body)
        assert (answer.status_code, words in answer.json()["message"]) == (code, True), answer.text
    # The core group takes a message of any length where no eventTime is set.
    await made(bed, CORE, "events", event(name_in(bed), message="m" * 5000))
    await made(bed, EVENTS, "events", new_event(name_in(bed, "sys"), note="n" * 1024), namespace="kube-system")


async def test_rights_hold_for_them_too(bed: Bed) -> None:
    name = name_in(bed)
    await made(bed, CORE, "configmaps", config_map(name))
    await bed.grant("upgrader", ("get",), "", ("configmaps",))
    async with bed.client() as client:
        client.headers["Authorization"] = "Bearer upgrader-token"
        assert (await client.get(at(CORE, "configmaps", name))).is_success
        refused = await client.post(at(CORE, "configmaps"), json=config_map("y"))
        assert said(refused) == (403, "Forbidden", (None, None, "configmaps"))
        message = refused.json()["message"]
        assert (
            'User "upgrader" cannot create resource "configmaps" in API group "" in the namespace "default"' in message
        )
        assert message.startswith("configmaps is forbidden: ")
        refused = await client.get(at(LEASES, "leases", name))
        assert said(refused) == (403, "Forbidden", (name, "coordination.k8s.io", "leases"))


async def test_discovery_names_them(bed: Bed) -> None:
    for base, names in ((CORE, {"configmaps", "events"}), (EVENTS, {"events"}), (LEASES, {"leases"})):
        listed = {r["name"]: r for r in (await bed.http.get(base)).json()["resources"]}
        assert names <= listed.keys()
        assert all(listed[n]["namespaced"] and {"create", "get", "update"} <= {*listed[n]["verbs"]} for n in names)
