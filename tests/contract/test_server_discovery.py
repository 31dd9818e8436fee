"""What a server says that it serves, and policies, which are kept."""

from __future__ import annotations

from tests.bed.bed import Bed
from tests.bed.scenes import Manifest, crd
from tests.contract.test_server_scale import PATHS

POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"


async def resources(bed: Bed, path: str) -> dict[str, Manifest]:
    answer = await bed.http.get(path)
    assert answer.status_code == 200
    assert answer.json()["kind"] == "APIResourceList"
    return {r["name"]: r for r in answer.json()["resources"]}


async def test_groups_are_listed_with_their_versions(bed: Bed) -> None:
    manifest = crd(bed.group, "v1", "v1", "v1beta1", "v2", "v1alpha1", "foo", unserved=("v1alpha1",))
    await bed.apply_crd(manifest)
    listed = (await bed.http.get("/apis")).json()
    assert (listed["kind"], listed["apiVersion"]) == ("APIGroupList", "v1")
    groups = {g["name"]: g for g in listed["groups"]}
    assert {"apiextensions.k8s.io", "admissionregistration.k8s.io"} <= set(groups)
    own = groups[bed.group]
    assert [v["version"] for v in own["versions"]] == ["v2", "v1", "v1beta1", "foo"]
    assert own["preferredVersion"] == {"groupVersion": f"{bed.group}/v2", "version": "v2"}
    alone = (await bed.http.get(f"/apis/{bed.group}")).json()
    assert alone == {"kind": "APIGroup", "apiVersion": "v1"} | own
    assert (await bed.http.get("/apis/none.example.com")).status_code == 404


async def test_resources_are_listed_with_their_subresources(bed: Bed) -> None:
    manifest = crd(bed.group, "v1", "v1", "v2", unserved=("v2",), status=True, scale=PATHS)
    await bed.apply_crd(manifest)
    found = await resources(bed, f"/apis/{bed.group}/v1")
    assert set(found) == {"widgets", "widgets/status", "widgets/scale"}
    own = {f: found["widgets"][f] for f in ("singularName", "namespaced", "kind", "verbs")}
    verbs = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
    assert own == {"singularName": "widget", "namespaced": True, "kind": "Widget", "verbs": verbs}
    assert found["widgets/scale"]["group"] == "autoscaling"
    assert found["widgets/status"]["verbs"] == ["get", "patch", "update"]
    assert (await bed.http.get(f"/apis/{bed.group}/v2")).status_code == 404


async def test_the_built_in_kinds_are_listed_too(bed: Bed) -> None:
    crds = await resources(bed, "/apis/apiextensions.k8s.io/v1")
    assert {"customresourcedefinitions", "customresourcedefinitions/status"} == set(crds)
    registrations = await resources(bed, "/apis/admissionregistration.k8s.io/v1")
    assert {"validatingwebhookconfigurations", "validatingadmissionpolicies"} <= set(registrations)
    core = await resources(bed, "/api/v1")
    assert (core["namespaces"]["kind"], core["namespaces"]["namespaced"]) == ("Namespace", False)
    assert (await bed.http.get("/api")).json()["versions"] == ["v1"]


async def test_policies_are_kept(bed: Bed) -> None:
    name = f"policy.{bed.group}"
    bed.leftovers.append(f"{POLICIES}/{name}")
    rule = {"apiGroups": [bed.group], "apiVersions": ["*"], "operations": ["UPDATE"], "resources": ["widgets"]}
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "object.metadata.name != 'x'"}],
    }
    made = await bed.http.post(POLICIES, json={"metadata": {"name": name}, "spec": spec})
    assert made.status_code == 201, made.text
    listed = (await bed.http.get(POLICIES)).json()
    assert listed["kind"] == "ValidatingAdmissionPolicyList"
    assert name in {p["metadata"]["name"] for p in listed["items"]}
    found = (await bed.http.get(f"{POLICIES}/{name}")).json()
    assert found["spec"]["validations"] == spec["validations"]
    assert (await bed.http.delete(f"{POLICIES}/{name}")).is_success
    assert (await bed.http.get(f"{POLICIES}/{name}")).status_code == 404
