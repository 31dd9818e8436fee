"""What `manifests` and `rbac` print, on a real API server: it is taken, and what it grants is enough and no more."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import msgspec
import pytest

from asyncmigrate import Decision, Outcome, PolicyRule, plan, run
from asyncmigrate._model import Right
from asyncmigrate._output.in_cluster import ConfigMapName, InCluster
from asyncmigrate._output.manifest_set import as_documents, manifest_set
from asyncmigrate._rules.decisions.rights import LIST_CRDS, rules_for
from asyncmigrate.errors import ForbiddenError
from tests.bed.bed import RealBed
from tests.bed.in_cluster import VARIANTS
from tests.bed.pods import Pod, apply, can_start_containers, path_of
from tests.bed.scenes import crd, obj
from tests.unit.rules.test_cron import BAD, GOOD

pytestmark = pytest.mark.real
each = pytest.mark.parametrize("wanted", VARIANTS.values(), ids=VARIANTS)
API = "apiextensions.k8s.io"
CRDS = "customresourcedefinitions"
DEFAULT = "/api/v1/namespaces/default"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
Manifest = dict[str, Any]


def in_default(wanted: InCluster) -> InCluster:
    """The same, in a namespace that every server has."""
    state = wanted.state and ConfigMapName("default", wanted.state.name)
    return msgspec.structs.replace(wanted, namespace="default", state=state)


# What is printed is taken


@each
async def test_the_api_server_takes_each_manifest_as_it_is(real_bed: RealBed, wanted: InCluster) -> None:
    yaml = {"Content-Type": "application/yaml"}  # the server reads it with the library that kubectl has
    for manifest in manifest_set(in_default(wanted)):
        target, text = f"{path_of(manifest)}?dryRun=All&fieldValidation=Strict", as_documents([manifest])
        answer = await real_bed.http.post(target, content=text, headers=yaml)
        assert answer.status_code == 201, answer.text
        assert "Warning" not in answer.headers, answer.headers["Warning"]


@pytest.fixture
async def restricted(real_bed: RealBed) -> AsyncIterator[None]:
    """The namespace `default` warns of pods that Pod Security's strictest standard forbids."""
    label = "pod-security.kubernetes.io/warn"
    headers = {"Content-Type": "application/merge-patch+json"}
    for value in ("restricted", None):
        body = {"metadata": {"labels": {label: value}}}
        (await real_bed.http.patch(DEFAULT, headers=headers, json=body)).raise_for_status()
        if value is not None:
            yield


async def test_the_pod_meets_the_restricted_pod_security_standard(real_bed: RealBed, restricted: None) -> None:
    del restricted
    [job] = [m for m in manifest_set(InCluster(crds=("w.x",))) if m["kind"] == "Job"]

    async def warning(manifest: Manifest) -> str:
        answer = await real_bed.http.post(f"{path_of(manifest)}?dryRun=All", json=manifest)
        assert answer.status_code == 201, answer.text
        return str(answer.headers.get("Warning", ""))

    lax = json.loads(json.dumps(job))
    del lax["spec"]["template"]["spec"]["containers"][0]["securityContext"]["capabilities"]
    with anyio.fail_after(20):
        while "would violate PodSecurity" not in await warning(lax):
            await anyio.sleep(0.05)  # the server learns of the label by its own watch
    assert await warning(job) == ""


@pytest.mark.parametrize(("schedule", "is_good"), [*((s, True) for s in GOOD), *((s, False) for s in BAD)])
async def test_the_api_server_takes_the_same_schedules(real_bed: RealBed, schedule: str, *, is_good: bool) -> None:
    [job] = [m for m in manifest_set(InCluster(crds=("w.x",), schedule="@daily")) if m["kind"] == "CronJob"]
    job["spec"]["schedule"] = schedule
    answer = await real_bed.http.post(f"{path_of(job)}?dryRun=All", json=job)
    assert answer.status_code == (201 if is_good else 422), answer.text


# What it grants is enough


def names_of(bed: RealBed) -> tuple[str, str]:
    return f"gadgets.{bed.group}", f"widgets.{bed.group}"


async def stale(bed: RealBed, count: int = 3) -> tuple[str, str]:
    """Two CRDs with objects in an old version."""
    for plural, kind in (("gadgets", "Gadget"), ("widgets", "Widget")):
        before = renamed(crd(bed.group, "v1", "v1", "v2"), plural, kind)
        await bed.apply_crd(before)
        await bed.create(before, *({**obj(before, "v1", f"o-{n}"), "kind": kind} for n in range(count)))
        await bed.apply_crd(renamed(crd(bed.group, "v2", "v1", "v2"), plural, kind))
    return names_of(bed)


def renamed(manifest: Manifest, plural: str, kind: str) -> Manifest:
    names = {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"}
    manifest["metadata"]["name"] = f"{plural}.{manifest['spec']['group']}"
    manifest["spec"]["names"] = names
    return manifest


@asynccontextmanager
async def pod_of(bed: RealBed, wanted: InCluster, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pod]:
    """Apply what is printed, and be a pod of its service account."""
    await apply(bed, manifest_set(wanted))
    pod = Pod(bed, wanted.name)
    await pod.rotate()
    for name, value in pod.environment.items():
        monkeypatch.setenv(name, value)
    async with pod.client() as http:
        crds = wanted.crds or (f"widgets.{bed.group}",)
        for name in crds:
            await until(
                http, Right(verb="patch", group=API, resource=CRDS, subresource="status", name=name), holds=True
            )
    yield pod


async def until(http: httpx.AsyncClient, right: Right, *, holds: bool) -> None:
    """Wait until the server has learnt of a role: by its own watch."""
    attributes = {k: v for k, v in msgspec.to_builtins(right).items() if v}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    with anyio.fail_after(20):
        while (await http.post(REVIEWS, json=review)).json()["status"]["allowed"] is not holds:
            await anyio.sleep(0.02)


@pytest.mark.parametrize("named", [True, False], ids=["the crds named", "all crds"])
async def test_a_program_in_the_pod_migrates(
    real_bed: RealBed, monkeypatch: pytest.MonkeyPatch, *, named: bool
) -> None:
    names = await stale(real_bed)
    wanted = InCluster(crds=names if named else (), name=f"migrates-{named}".lower())
    async with pod_of(real_bed, wanted, monkeypatch) as pod, pod.cluster() as cluster:
        made = await plan(cluster, names=wanted.crds)
        assert [c.message for c in made.crds if c.decision is not Decision.STALE] == []
        report = await run(cluster, made, settle=0)
    assert [c.outcome for c in report.crds] == [Outcome.MIGRATED] * 2
    for name in names:
        assert real_bed.stored_api_versions(name) == {"v2"}
        assert await real_bed.stored_versions(name) == ["v2"]


async def test_a_crd_that_the_cluster_does_not_have_yet_is_new(
    real_bed: RealBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = InCluster(crds=(f"newcomers.{real_bed.group}",), name="new", may_be_new=True)
    async with pod_of(real_bed, wanted, monkeypatch) as pod, pod.cluster() as cluster:
        [found] = (await plan(cluster, names=wanted.crds)).crds
        assert (found.decision, found.reason) == (Decision.FAILED, "NotFound")
        [found] = (await plan(cluster, names=wanted.crds, ignore_not_found=True)).crds
        assert found.decision is Decision.NEW


async def test_the_pod_s_command_migrates_while_its_token_is_replaced(real_bed: RealBed) -> None:
    """As a container: nobody's user ID, no HOME, nothing writable, the arguments printed, and a token that dies."""
    if not await can_start_containers():
        pytest.skip("only root can make mount namespaces")
    names = await stale(real_bed, 150)
    wanted = InCluster(crds=names, name="rotated")
    await apply(real_bed, manifest_set(wanted))
    [job] = [m for m in manifest_set(wanted) if m["kind"] == "Job"]
    [container] = job["spec"]["template"]["spec"]["containers"]
    pod = Pod(real_bed, wanted.name)
    await pod.rotate(bound_to="first")
    # Longer than the ten seconds for which the server remembers a token that was good.
    env = pod.container_environment(ASYNCMIGRATE_SETTLE="0", ASYNCMIGRATE_RATE="16")
    with anyio.fail_after(80):
        async with (
            await anyio.open_process(pod.container(container["args"]), env=env, stderr=subprocess.STDOUT) as process,
            pod.client() as first,
        ):
            assert process.stdout is not None
            while "v2" not in real_bed.stored_api_versions(names[0]):
                assert process.returncode is None, (await process.stdout.receive()).decode()
                await anyio.sleep(0.05)
            await pod.rotate()
            await pod.revoke("first")
            while (await first.get("/api")).status_code != 401:
                await anyio.sleep(0.2)
            assert "v1" in real_bed.stored_api_versions(names[0]) | real_bed.stored_api_versions(names[1])
            said = b"".join([part async for part in process.stdout]).decode()
    assert process.returncode == 0, said
    for name in names:
        assert real_bed.stored_api_versions(name) == {"v2"}
        assert await real_bed.stored_versions(name) == ["v2"]
    assert "warning" not in said


async def test_a_program_in_the_pod_takes_the_new_token(real_bed: RealBed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in this process: between plan and run the first token dies."""
    names = await stale(real_bed)
    wanted = InCluster(crds=names, name="renewed")
    async with pod_of(real_bed, wanted, monkeypatch) as pod:
        await pod.rotate(bound_to="second")
        async with pod.client() as old, pod.cluster() as cluster:
            made = await plan(cluster, names=names)
            await pod.rotate()
            await pod.revoke("second")
            with anyio.fail_after(30):
                while (await old.get("/api")).status_code != 401:
                    await anyio.sleep(0.2)
            report = await run(cluster, made, settle=0)
    assert report.ok
    assert real_bed.stored_api_versions(names[0]) == {"v2"}


# And no more


GROUP = "group.invalid"  # stands for the group of a test
TWO = InCluster(crds=(f"gadgets.{GROUP}", f"widgets.{GROUP}"))


def single_rights(rules: list[Manifest]) -> Iterator[tuple[str, str, str, str]]:
    """Each right that rules give, on its own: group, resource, name and verb."""
    for rule in rules:
        for resource in rule["resources"]:
            for name in rule.get("resourceNames", ("",)):
                for verb in rule["verbs"]:
                    yield rule["apiGroups"][0], resource, name, verb


def cluster_role(wanted: InCluster) -> Manifest:
    [role] = [m for m in manifest_set(wanted) if m["kind"] == "ClusterRole"]
    return role


@pytest.mark.parametrize("taken", [*single_rights(cluster_role(TWO)["rules"])], ids="-".join)
async def test_with_one_right_taken_away_the_plan_names_its_rule(
    real_bed: RealBed, monkeypatch: pytest.MonkeyPatch, taken: tuple[str, str, str, str]
) -> None:
    names = await stale(real_bed, 1)
    wanted = InCluster(crds=names, name="least")
    group, resource, name, verb = (word.replace(GROUP, real_bed.group) for word in taken)
    role = cluster_role(wanted)
    left = [r for r in single_rights(role["rules"]) if r != (group, resource, name, verb)]
    assert len(left) == len([*single_rights(role["rules"])]) - 1
    async with pod_of(real_bed, wanted, monkeypatch) as pod:
        rules = [
            {"apiGroups": [g], "resources": [r], "verbs": [v], **({"resourceNames": [n]} if n else {})}
            for g, r, n, v in left
        ]
        await apply(real_bed, [{**role, "rules": rules}])
        plural, _, sub = resource.partition("/")
        async with pod.client() as http:
            await until(http, Right(verb=verb, group=group, resource=plural, subresource=sub, name=name), holds=False)
        async with pod.cluster() as cluster:
            made = await plan(cluster, names=names)
    hit = name or f"{resource}.{group}"
    missing = PolicyRule(
        api_groups=(group,), resources=(resource,), resource_names=(name,) if name else (), verbs=(verb,)
    )
    for found in made.crds:
        if found.name == hit:
            assert found.decision in {Decision.BLOCKED, Decision.FAILED}
            assert found.missing == (missing,)
            assert str(missing) in found.message
        else:
            assert (found.decision, found.missing) == (Decision.STALE, ())


async def test_without_the_right_to_list_crds_the_error_names_its_rule(
    real_bed: RealBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = await stale(real_bed, 1)
    async with pod_of(real_bed, InCluster(crds=names, name="unlisted"), monkeypatch) as pod, pod.cluster() as cluster:
        with pytest.raises(ForbiddenError) as raised:
            await plan(cluster)
    [rule] = rules_for([LIST_CRDS])
    assert f"give yourself a ClusterRole with this rule: {rule}" in str(raised.value)


async def test_the_pod_may_do_nothing_else(real_bed: RealBed, monkeypatch: pytest.MonkeyPatch) -> None:
    names = await stale(real_bed, 1)
    wanted = InCluster(crds=names[:1], name="nothing-else")
    async with pod_of(real_bed, wanted, monkeypatch) as pod, pod.client() as http:
        for right in (
            Right(verb="list", group=API, resource=CRDS),
            Right(verb="get", group=API, resource=CRDS, name=names[1]),
            Right(verb="patch", group=API, resource=CRDS, name=names[0]),
            Right(verb="patch", group=API, resource=CRDS, subresource="status", name=names[1]),
            Right(verb="delete", group=real_bed.group, resource="gadgets"),
            Right(verb="patch", group=real_bed.group, resource="gadgets", subresource="status"),
            Right(verb="list", group=real_bed.group, resource="widgets"),
            Right(verb="get", group="", resource="secrets"),
            Right(verb="create", group="", resource="configmaps", namespace="default"),
            Right(verb="create", group="", resource="events", namespace="default"),
        ):
            await until(http, right, holds=False)


async def test_the_state_and_the_events_may_be_written_and_nothing_beside_them(
    real_bed: RealBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = await stale(real_bed, 1)
    kept = ConfigMapName("default", "kept")
    wanted = InCluster(crds=names, name="writes", state=kept, events=True)
    merge = {"Content-Type": "application/merge-patch+json"}
    maps = f"{DEFAULT}/configmaps"
    other = {"metadata": {"name": "other"}}
    (await real_bed.http.post(maps, json=other)).raise_for_status()
    real_bed.leftovers += [f"{maps}/other", f"{maps}/kept"]
    event = {
        "metadata": {"name": "written", "namespace": "default"},
        "involvedObject": {"apiVersion": f"{API}/v1", "kind": "CustomResourceDefinition", "name": names[0]},
        "reason": "StorageMigrated",
        "type": "Normal",
    }
    async with pod_of(real_bed, wanted, monkeypatch) as pod, pod.client() as http:
        await until(http, Right(verb="create", group="", resource="configmaps", namespace="default"), holds=True)
        await until(http, Right(verb="create", group="", resource="events", namespace="default"), holds=True)
        tried = [
            await http.post(maps, json={"metadata": {"name": "kept"}}),
            await http.get(f"{maps}/kept"),
            await http.patch(f"{maps}/kept", headers=merge, json={"data": {"a": "b"}}),
            await http.post(f"{DEFAULT}/events", json=event),
            await http.patch(f"{DEFAULT}/events/written", headers=merge, json={"count": 2}),
        ]
        assert [answer.status_code for answer in tried] == [201, 200, 200, 201, 200]
        refused = [
            await http.get(f"{maps}/other"),
            await http.get(maps),
            await http.patch(f"{maps}/other", headers=merge, json={"data": {"a": "b"}}),
            await http.delete(f"{maps}/kept"),
            await http.get(f"{DEFAULT}/events"),
            await http.post("/api/v1/namespaces/kube-system/configmaps", json=other),
        ]
        assert {answer.status_code for answer in refused} == {403}


async def test_the_flow_schema_puts_its_requests_into_workload_low(
    real_bed: RealBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = InCluster(crds=(f"widgets.{real_bed.group}",), name="low", flow_schema=True)
    flow = "/apis/flowcontrol.apiserver.k8s.io/v1"
    async with pod_of(real_bed, wanted, monkeypatch) as pod, pod.client() as http:
        schema = (await real_bed.http.get(f"{flow}/flowschemas/{wanted.everywhere}")).json()["metadata"]["uid"]
        level = (await real_bed.http.get(f"{flow}/prioritylevelconfigurations/workload-low")).json()["metadata"]["uid"]
        for target in ("/version", f"/apis/{API}/v1/{CRDS}/widgets.{real_bed.group}"):
            with anyio.fail_after(20):
                while True:
                    seen = (await http.get(target)).headers
                    if seen["X-Kubernetes-PF-FlowSchema-UID"] == schema:
                        break
                    await anyio.sleep(0.05)
            assert seen["X-Kubernetes-PF-PriorityLevel-UID"] == level
