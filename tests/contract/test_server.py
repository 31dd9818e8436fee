"""The embedded server beside the real one: the same requests get the same answers, field by field where it matters."""

from __future__ import annotations

import json
from typing import Any

import anyio
import httpx

from tests.bed.bed import CRDS, MERGE, Bed
from tests.bed.scenes import Manifest, crd, obj

ONE = {"Accept": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"}
MANY = {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}


async def widgets(bed: Bed, count: int = 3, **options: Any) -> Manifest:  # noqa: ANN401 -- crd()'s own
    manifest = crd(bed.group, "v1", "v1", "v2", **options)
    await bed.apply_crd(manifest)
    await bed.create(
        manifest, *(obj(manifest, "v1", f"w-{n}", metadata={"labels": {"n": str(n)}}) for n in range(count))
    )
    return manifest


def said(answer: httpx.Response) -> tuple[int, str, Any]:
    """A Status' code, reason and details, without what differs by nature."""
    body = answer.json()
    assert (body["kind"], body["apiVersion"], body["status"]) == ("Status", "v1", "Failure")
    assert body["code"] == answer.status_code
    assert body["message"]
    details = body.get("details", {})
    return body["code"], body["reason"], (details.get("name"), details.get("group"), details.get("kind"))


async def test_objects_are_kept_as_bytes_of_the_storage_version_and_shown_in_any(bed: Bed) -> None:
    manifest = await widgets(bed, 1)
    name = manifest["metadata"]["name"]
    stored = bed.stored(name)["default", "w-0"]
    assert stored.startswith(
        f'{{"apiVersion":"{bed.group}/v1","kind":"Widget","metadata":{{"creationTimestamp":'.encode()
    )
    assert stored.endswith(b'"spec":{"size":1}}\n')
    assert b"resourceVersion" not in stored
    shown = (await bed.http.get(bed.path(manifest, "v2", name="w-0"))).json()
    assert shown["apiVersion"] == f"{bed.group}/v2"
    assert shown["metadata"]["generation"] == 1
    assert shown["metadata"]["managedFields"][0]["time"]


async def test_an_empty_patch_is_elided_unless_the_bytes_are_old(bed: Bed) -> None:
    manifest = await widgets(bed, 1)
    target = bed.path(manifest, "v1", name="w-0")
    before = (await bed.http.get(target)).json()["metadata"]["resourceVersion"]
    first = (await bed.http.patch(target, content="{}", headers=MERGE | ONE)).json()
    assert (first["kind"], first["metadata"]["resourceVersion"]) == ("PartialObjectMetadata", before)
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))
    rehearsed = (await bed.http.patch(f"{target}?dryRun=All", content="{}", headers=MERGE | ONE)).json()
    assert rehearsed["metadata"]["resourceVersion"] == before
    assert "v1" in bed.stored_api_versions(manifest["metadata"]["name"])
    second = (await bed.http.patch(target, content="{}", headers=MERGE | ONE)).json()["metadata"]
    assert int(second["resourceVersion"]) > int(before)
    assert second["generation"] == 1
    assert bed.stored_api_versions(manifest["metadata"]["name"]) == {"v2"}
    third = (await bed.http.patch(target, content="{}", headers=MERGE | ONE)).json()["metadata"]
    assert third["resourceVersion"] == second["resourceVersion"]


async def test_lists_go_on_where_they_stopped_as_of_when_they_began(bed: Bed) -> None:
    manifest = await widgets(bed, 5)
    base = f"/apis/{bed.group}/v1/widgets"
    first = (await bed.http.get(base, params={"limit": 2}, headers=MANY)).json()
    assert (first["kind"], first["metadata"]["remainingItemCount"]) == ("PartialObjectMetadataList", 3)
    assert [i["metadata"]["name"] for i in first["items"]] == ["w-0", "w-1"]
    await bed.http.delete(bed.path(manifest, "v1", name="w-3"))
    await bed.create(manifest, obj(manifest, "v1", "w-2b"))
    token = first["metadata"]["continue"]
    second = (await bed.http.get(base, params={"limit": 9, "continue": token}, headers=MANY)).json()
    assert [i["metadata"]["name"] for i in second["items"]] == ["w-2", "w-3", "w-4"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert "continue" not in second["metadata"]
    some = (await bed.http.get(base, params={"labelSelector": "n in (1,4),n!=4"}, headers=MANY)).json()
    assert [i["metadata"]["name"] for i in some["items"]] == ["w-1"]


async def test_an_empty_list_has_null_items(bed: Bed) -> None:
    await widgets(bed, 0)
    listed = (await bed.http.get(f"/apis/{bed.group}/v1/widgets", headers=MANY)).json()
    assert listed["items"] is None


async def test_storage_that_moves_is_added_to_stored_versions_and_dropping_it_is_refused(bed: Bed) -> None:
    manifest = await widgets(bed, 1)
    name = manifest["metadata"]["name"]
    before = await bed.live_crd(name)
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))
    after = await bed.live_crd(name)
    assert after["status"]["storedVersions"] == ["v1", "v2"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
    body = after | {"spec": crd(bed.group, "v2", "v2")["spec"]}
    refused = await bed.http.put(f"{CRDS}/{name}", json=body)
    assert said(refused) == (422, "Invalid", (name, "apiextensions.k8s.io", "CustomResourceDefinition"))
    assert 'status.storedVersions[0]: Invalid value: "v1"' in refused.json()["message"]


async def test_the_status_endpoint_checks_nothing_and_leaves_the_generation(bed: Bed) -> None:
    manifest = await widgets(bed, 0)
    target = f"{CRDS}/{manifest['metadata']['name']}"
    before = (await bed.http.get(target)).json()
    for versions in (["v1", "v2"], ["nonsense"], []):
        patched = await bed.http.patch(f"{target}/status", json={"status": {"storedVersions": versions}}, headers=MERGE)
        assert patched.json()["status"]["storedVersions"] == (versions or ["v1"])  # empty is defaulted
    old = {"metadata": {"resourceVersion": before["metadata"]["resourceVersion"]}, "status": {"storedVersions": ["v1"]}}
    conflict = await bed.http.patch(f"{target}/status", json=old, headers=MERGE)
    assert said(conflict)[:2] == (409, "Conflict")
    restored = await bed.http.patch(f"{target}/status", json={"status": {"storedVersions": ["v1"]}}, headers=MERGE)
    assert restored.json()["metadata"]["generation"] == before["metadata"]["generation"]


async def test_the_status_subresource_keeps_spec_and_status_apart(bed: Bed) -> None:
    manifest = await widgets(bed, 1, status=True)
    target = bed.path(manifest, "v1", name="w-0")
    await bed.http.patch(target, json={"status": {"a": 1}, "spec": {"size": 2}}, headers=MERGE)
    found = (await bed.http.get(target)).json()
    assert ("status" in found, found["spec"], found["metadata"]["generation"]) == (False, {"size": 2}, 2)
    await bed.http.patch(f"{target}/status", json={"status": {"a": 1}, "spec": {"size": 3}}, headers=MERGE)
    found = (await bed.http.get(target)).json()
    assert (found["status"], found["spec"], found["metadata"]["generation"]) == ({"a": 1}, {"size": 2}, 2)


async def test_errors_are_the_same(bed: Bed) -> None:
    manifest = await widgets(bed, 1)
    group = bed.group
    here, other = bed.path(manifest, "v1"), bed.path(manifest, "v1", namespace="nowhere")
    thing = obj(manifest, "v1", "w-0")
    live = (await bed.http.get(f"{here}/w-0")).json()
    stale = live | {"metadata": live["metadata"] | {"resourceVersion": "1"}}
    other_uid = live | {"metadata": live["metadata"] | {"uid": "other"}}
    calls = [
        (bed.http.get(f"{here}/none"), (404, "NotFound", ("none", group, "widgets"))),
        (bed.http.patch(f"{here}/none", content="{}", headers=MERGE), (404, "NotFound", ("none", group, "widgets"))),
        (bed.http.delete(f"{here}/none"), (404, "NotFound", ("none", group, "widgets"))),
        (bed.http.post(here, json=thing), (409, "AlreadyExists", ("w-0", group, "widgets"))),
        (
            bed.http.post(other, json=thing | {"metadata": {"name": "a"}}),
            (404, "NotFound", ("nowhere", None, "namespaces")),
        ),
        (bed.http.put(f"{here}/w-0", json=stale), (409, "Conflict", ("w-0", group, "widgets"))),
        (bed.http.put(f"{here}/w-0", json=other_uid), (409, "Conflict", ("w-0", group, "widgets"))),
        (
            bed.http.patch(f"{here}/w-0", json={"metadata": {"uid": "other"}}, headers=MERGE),
            (422, "Invalid", ("w-0", group, "Widget")),
        ),
        (bed.http.put(f"{here}/w-0", json=thing), (422, "Invalid", ("w-0", group, "widgets"))),
        (bed.http.get(here, params={"continue": "!", "limit": 1}), (400, "BadRequest", (None, None, None))),
        (bed.http.get(here, params={"labelSelector": "a b"}), (400, "BadRequest", (None, None, None))),
        (
            bed.http.patch(f"{here}/w-0", content="{}", headers={"Content-Type": "text/plain"}),
            (415, "UnsupportedMediaType", (None, None, None)),
        ),
    ]
    for call, expected in calls:
        code, reason, (name, found_group, kind) = said(await call)
        assert (code, reason, (name or None, found_group or None, kind or None)) == expected


async def test_what_is_not_served_is_a_plain_404(bed: Bed) -> None:
    await widgets(bed, 0, unserved=("v2",))
    for path in (f"/apis/{bed.group}/v2/widgets", f"/apis/{bed.group}/v9/widgets", "/apis/no.example.com/v1/things"):
        answer = await bed.http.get(path)
        assert (answer.status_code, answer.text) == (404, "404 page not found\n")


async def test_users_and_rights(bed: Bed) -> None:
    await widgets(bed, 0)
    path = f"/apis/{bed.group}/v1/widgets"
    async with bed.client() as client:
        client.headers["Authorization"] = "Bearer nobody-token"
        forbidden = await client.get(path)
        assert said(forbidden)[:2] == (403, "Forbidden")
        assert 'User "nobody" cannot list resource "widgets"' in forbidden.json()["message"]
        client.headers["Authorization"] = "Bearer wrong"
        assert said(await client.get(path))[:2] == (401, "Unauthorized")
        del client.headers["Authorization"]
        assert 'User "system:anonymous"' in (await client.get(path)).json()["message"]
    await bed.grant("upgrader", ("list",), bed.group, ("widgets",))
    async with bed.client() as client:
        client.headers["Authorization"] = "Bearer upgrader-token"
        answers = {}
        for verb in ("list", "patch"):
            attributes = {"verb": verb, "group": bed.group, "resource": "widgets"}
            review = {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": attributes},
            }
            answer = await client.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", json=review)
            answers[verb] = answer.status_code, answer.json()["status"]["allowed"]
    assert answers == {"list": (201, True), "patch": (201, False)}


async def test_a_wrong_trim_and_a_dropped_version_make_objects_unreadable(bed: Bed) -> None:
    """Why storedVersions may never be trimmed too early: design.md's wedge."""
    manifest = await widgets(bed, 1)
    name = manifest["metadata"]["name"]
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))
    await bed.http.patch(f"{CRDS}/{name}/status", json={"status": {"storedVersions": ["v2"]}}, headers=MERGE)
    live = await bed.live_crd(name)
    dropped = await bed.http.put(f"{CRDS}/{name}", json=live | {"spec": crd(bed.group, "v2", "v2")["spec"]})
    assert dropped.is_success
    assert json.loads(bed.stored(name)["default", "w-0"])["apiVersion"].endswith("/v1")
    with anyio.fail_after(20):  # the handler of before may still answer
        while (await bed.http.get(bed.path(manifest, "v2"))).is_success:
            await anyio.sleep(0.02)
    assert (await bed.http.get(bed.path(manifest, "v2"))).status_code in {429, 500}
    # Put it right again, so that the clean-up can delete it.
    live = await bed.live_crd(name)
    mended = await bed.http.put(f"{CRDS}/{name}", json=live | {"spec": manifest["spec"]})
    assert mended.is_success


async def test_a_crd_can_be_asked_for_without_its_spec_and_status(bed: Bed) -> None:
    manifest = await widgets(bed, 0)
    target = f"{CRDS}/{manifest['metadata']['name']}"
    found, whole = [(await bed.http.get(target, headers=headers)).json() for headers in (ONE, {})]
    assert found == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": whole["metadata"],
    }
    assert {"uid", "resourceVersion", "generation", "managedFields"} <= found["metadata"].keys()
    listed = (await bed.http.get(CRDS, headers=MANY)).json()
    assert listed["kind"] == "PartialObjectMetadataList"
    assert whole["metadata"] in [item["metadata"] for item in listed["items"]]


async def test_a_deletion_that_waits_for_finalizers_stores_the_object_in_the_storage_version(bed: Bed) -> None:
    manifest = await widgets(bed, 0)
    name = manifest["metadata"]["name"]
    await bed.create(manifest, obj(manifest, "v1", "w", metadata={"finalizers": ["example.com/x"]}))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))
    target = bed.path(manifest, "v1", name="w")
    rehearsed = (await bed.http.delete(f"{target}?dryRun=All")).json()
    assert (rehearsed["kind"], bed.stored_api_versions(name)) == ("Widget", {"v1"})
    marked = (await bed.http.delete(target)).json()
    assert (marked["apiVersion"], marked["metadata"]["generation"]) == (f"{bed.group}/v1", 2)
    stored = json.loads(bed.stored(name)["default", "w"])
    assert (stored["apiVersion"], "deletionTimestamp" in stored["metadata"]) == (f"{bed.group}/v2", True)
    assert (await bed.http.delete(target)).json()["metadata"] == marked["metadata"]
    await bed.http.patch(target, json={"metadata": {"finalizers": None}}, headers=MERGE)
    assert (await bed.http.get(target)).status_code == 404
