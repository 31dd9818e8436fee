"""Whether an old version can be dropped: everything that still uses it is found, and nothing is written."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from asyncmigrate import Cluster, Droppable, Outcome, RetryPolicy, VersionUse, droppable, errors, plan, run
from asyncmigrate._cluster.kubeconfig import open_kubeconfig
from asyncmigrate._cluster.transport import OpenCluster, Request, Response, Transport
from asyncmigrate.events import Event, RequestSent
from tests.bed.admission import open_admission_webhook, register
from tests.bed.bed import Bed, EmbeddedBed, RealBed
from tests.bed.owners import update
from tests.bed.scenes import Manifest, crd, obj

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
KINDS = (
    "validatingwebhookconfigurations",
    "mutatingwebhookconfigurations",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
)
MUTATING_POLICIES = 36  # the first minor version that has them unasked
NOTES = ["StillServed", "OwnerReferencesNotChecked"]


async def look(bed: Bed, user: str = "admin", **how: Any) -> Droppable:  # noqa: ANN401
    async with bed.cluster(user) as cluster:
        return await droppable(cluster, f"widgets.{bed.group}", **how)


async def one(bed: Bed, version: str = "v1", **how: Any) -> VersionUse:  # noqa: ANN401
    [found] = (await look(bed, version=version, **how)).versions
    return found


def reasons(use: VersionUse) -> list[str]:
    return [r.reason for r in use.reasons]


async def clean(bed: Bed, *objects: str) -> Manifest:
    """A CRD with an old version v1 that nothing has ever used."""
    made = crd(bed.group, "v2", "v1", "v2")
    await bed.apply_crd(made)
    await bed.create(made, *(obj(made, "v2", name) for name in objects))
    return made


async def moved(bed: Bed, *objects: str) -> Manifest:
    """A CRD whose objects were written in v1 before its storage version moved to v2."""
    before = crd(bed.group, "v1", "v1", "v2")
    await bed.apply_crd(before)
    await bed.create(before, *(obj(before, "v1", name) for name in objects))
    return await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))


async def test_version_that_nothing_uses_is_droppable_and_nothing_is_written(bed: Bed) -> None:
    await clean(bed, "w-0", "w-1")
    before = await bed.live_crd(f"widgets.{bed.group}")
    seen: list[Event] = []
    found = await look(bed, observers=[seen.append])
    assert (found.droppable, found.objects, found.storage_version) == (True, 2, "v2")
    [use] = found.versions
    assert (use.version, use.in_crd, use.served, use.in_stored_versions, use.objects) == ("v1", True, True, False, 0)
    assert (use.reasons, [n.reason for n in use.notes]) == ((), NOTES)
    assert {e.method for e in seen if isinstance(e, RequestSent)} == {"GET"}
    assert await bed.live_crd(f"widgets.{bed.group}") == before


async def test_stored_versions_and_entries_block_and_a_migration_makes_it_droppable(bed: Bed) -> None:
    made = await moved(bed, *(f"w-{n}" for n in range(3)))
    await update(bed, made, "v1", "argocd-controller", name="w-1", spec={"size": 2})
    await bed.create(made, obj(made, "v2", "w-new"))
    found = await look(bed)
    assert (found.droppable, found.objects) == (False, 4)
    [use] = found.versions
    assert reasons(use) == ["StoredVersionsNamesIt", "OwnersInIt"]
    assert (use.objects, use.example) == (3, "default/w-0")
    assert {(w.manager, w.objects) for w in use.writers} == {("python-httpx", 3), ("argocd-controller", 1)}
    assert "3 objects have managedFields entries in v1, such as default/w-0" in use.reasons[1].message
    assert "argocd-controller wrote 1 object in v1, last " in use.reasons[1].message
    async with bed.cluster() as cluster:
        report = await run(cluster, await plan(cluster, names=[found.name]), settle=0)
    assert report.crds[0].outcome is Outcome.MIGRATED
    found = await look(bed)
    assert [v.reasons for v in found.versions] == [()]


async def test_entries_of_a_version_that_is_gone_are_found_and_cleaned(bed: Bed) -> None:
    await moved(bed, "w-0")
    name = f"widgets.{bed.group}"
    async with bed.cluster() as cluster:
        await run(cluster, await plan(cluster, names=[name]), settle=0, managed_fields="keep")
    assert reasons(await one(bed)) == ["OwnersInIt"]
    assert "run --clean-only" in (await one(bed)).reasons[0].advice
    await bed.apply_crd(crd(bed.group, "v2", "v2"))
    [use] = (await look(bed)).versions
    assert (use.version, use.in_crd, use.served, use.objects) == ("v1", False, False, 1)
    assert reasons(use) == ["OwnersInGoneVersion"]
    assert use.reasons[0].advice == f"asyncmigrate run --clean-only {name}"
    async with bed.cluster() as cluster:
        await run(cluster, await plan(cluster, names=[name], clean_only=True), settle=0)
    found = await look(bed)
    assert (found.versions, found.droppable) == ((), True)


async def test_objects_beyond_one_page_are_counted(bed: Bed) -> None:
    made = await moved(bed, *(f"w-{n:04}" for n in range(501)))
    await bed.create(made, obj(made, "v2", "z"))
    found = await look(bed)
    assert (found.objects, found.versions[0].objects, found.versions[0].writers[0].objects) == (502, 501, 501)


async def test_owner_references_are_found_in_all_resources(bed: Bed) -> None:
    widgets = await clean(bed, "w-0")
    gadgets = crd(bed.group, "v1", "v1", plural="gadgets")
    await bed.apply_crd(gadgets)
    uid = (await bed.http.get(bed.path(widgets, "v2", name="w-0"))).json()["metadata"]["uid"]
    owner = {"apiVersion": f"{bed.group}/v1", "kind": "Widget", "name": "w-0", "uid": uid}
    others = [owner | {"kind": "Other"}, owner | {"apiVersion": f"{bed.group}/v2"}]
    for number, owners in enumerate(([owner], [owner], others)):
        metadata = {"ownerReferences": owners}
        await bed.create(gadgets, obj(gadgets, "v1", f"g-{number}", metadata=metadata))
    assert (await one(bed)).droppable
    use = await one(bed, owners=True)
    assert reasons(use) == ["OwnerReferencesInIt"]
    assert use.owners is not None
    [found] = use.owners
    assert (found.resource, found.objects, found.example) == (f"gadgets.{bed.group}", 2, "default/g-0")
    for number in range(2):
        await bed.http.delete(bed.path(gadgets, "v1", name=f"g-{number}"))
    use = await one(bed, owners=True)
    assert (use.owners, use.droppable, [n.reason for n in use.notes]) == ((), True, ["StillServed"])


async def test_aggregated_api_that_is_down_is_not_checked_and_holds_up_nothing(real_bed: RealBed) -> None:
    await clean(real_bed)
    name = f"v1.gone.{real_bed.group}"
    service = {"name": "nobody", "namespace": "default"}
    spec = {"group": f"gone.{real_bed.group}", "version": "v1", "service": service, "insecureSkipTLSVerify": True}
    services = "/apis/apiregistration.k8s.io/v1/apiservices"
    real_bed.leftovers.append(f"{services}/{name}")
    body = {"metadata": {"name": name}, "spec": spec | {"groupPriorityMinimum": 100, "versionPriority": 100}}
    (await real_bed.http.post(services, json=body)).raise_for_status()
    with anyio.fail_after(30):
        while name.partition(".")[2] not in (await real_bed.http.get("/apis")).text:
            await anyio.sleep(0.1)
    with anyio.fail_after(20):
        use = await one(real_bed, owners=True)
    assert [(m.what, m.reason) for m in use.not_checked] == [(f"gone.{real_bed.group}/v1", "ServiceUnavailable")]
    assert reasons(use) == ["NotChecked"]


@pytest.mark.parametrize(
    ("code", "reason"), [(403, "Forbidden"), (404, "NotFound"), (405, "MethodNotAllowed"), (500, "InternalError")]
)
async def test_resource_that_cannot_be_listed_is_named_and_prevents_a_yes(
    embedded: EmbeddedBed, code: int, reason: str
) -> None:
    await clean(embedded)
    await embedded.apply_crd(crd(embedded.group, "v1", "v1", plural="gadgets"))
    name = f"gadgets.{embedded.group}"
    embedded.server.faults.answer(code, reason=reason, verb="list", resource=name)
    brief = RetryPolicy(first_wait=0.01, max_wait=0.05, max_seconds=0.5)
    use = await one(embedded, owners=True, retry_policy=brief)
    assert [(m.what, m.reason) for m in use.not_checked] == [(name, reason)]
    assert (reasons(use), use.owners) == (["NotChecked"], ())


async def test_owners_beyond_one_page_are_counted_though_the_list_expires(embedded: EmbeddedBed) -> None:
    await clean(embedded)
    gadgets = crd(embedded.group, "v1", "v1", plural="gadgets")
    await embedded.apply_crd(gadgets)
    owner = {"apiVersion": f"{embedded.group}/v1", "kind": "Widget", "name": "w", "uid": "1"}
    for number in range(1200):
        metadata = {"ownerReferences": [owner] if number != 7 else []}
        embedded.server.create(obj(gadgets, "v1", f"g-{number:04}", metadata=metadata))
    pages = 0

    def expire(event: Event) -> None:
        nonlocal pages
        if isinstance(event, RequestSent) and "/gadgets?" in event.target and event.status == 200:
            pages += 1
            if pages in {1, 3}:
                embedded.server.expire_continue_tokens()

    use = await one(embedded, owners=True, observers=[expire])
    assert use.owners is not None
    assert [(o.objects, o.example) for o in use.owners] == [(1199, "default/g-0000")]


async def configure(bed: Bed, resource: str, name: str, **fields: Any) -> None:  # noqa: ANN401
    bed.leftovers.append(f"{ADMISSION}/{resource}/{name}")
    made = await bed.http.post(f"{ADMISSION}/{resource}", json={"metadata": {"name": name}, **fields})
    assert made.is_success, made.text


def rule(bed: Bed, *versions: str, resources: tuple[str, ...] = ("widgets",), **more: Any) -> Manifest:  # noqa: ANN401
    group = more.pop("group", bed.group)
    return {"apiGroups": [group], "apiVersions": versions, "operations": ["CREATE"], "resources": resources, **more}


def hook(bed: Bed, name: str, *rules: Manifest, match: str = "Equivalent") -> Manifest:
    return {
        "name": f"{name}.{bed.group}",
        "clientConfig": {"url": "https://127.0.0.1:1/nobody"},
        "rules": rules,
        "matchPolicy": match,
        "failurePolicy": "Ignore",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }


@pytest.mark.parametrize("resource", KINDS[:2])
async def test_webhooks_that_name_only_the_version_block_by_name(bed: Bed, resource: str) -> None:
    if isinstance(bed, EmbeddedBed) and resource == KINDS[1]:
        pytest.skip("the embedded server has no mutating webhooks")
    await clean(bed)
    hooks = [
        hook(bed, "only", rule(bed, "v1")),
        hook(bed, "exact", rule(bed, "v1", resources=("*/*",)), match="Exact"),
        hook(bed, "both", rule(bed, "v1", "v2")),
        hook(bed, "all", rule(bed, "*")),
        hook(bed, "two-rules", rule(bed, "v1"), rule(bed, "v2", resources=("widgets", "widgets/status"))),
        hook(bed, "other-group", rule(bed, "v1", group="other.example.com")),
        hook(bed, "other-scope", rule(bed, "v1", scope="Cluster")),
        hook(bed, "other-resource", rule(bed, "v1", resources=("gadgets",))),
    ]
    name = f"hooks.{bed.group}"
    await configure(bed, resource, name, webhooks=hooks)
    use = await one(bed)
    assert reasons(use) == ["AdmissionNamesOnlyIt"] * 2
    found = {(a.kind.lower() + "s", a.name, a.webhook, a.match_policy) for a in use.admission}
    assert found == {
        (resource, name, f"only.{bed.group}", "Equivalent"),
        (resource, name, f"exact.{bed.group}", "Exact"),
    }
    assert f"{name} (webhook only.{bed.group})" in use.reasons[0].message


async def test_policies_that_name_only_the_version_block_by_name(bed: Bed) -> None:
    await clean(bed)
    for name, matches in {
        "only": {"resourceRules": [rule(bed, "v1")]},
        "both": {"resourceRules": [rule(bed, "v1", "v2")]},
        "excludes": {"resourceRules": [rule(bed, "*")], "excludeResourceRules": [rule(bed, "v1")]},
    }.items():
        spec = {"matchConstraints": matches, "validations": [{"expression": "true"}]}
        await configure(bed, "validatingadmissionpolicies", f"{name}.{bed.group}", spec=spec)
    use = await one(bed)
    assert {(a.kind, a.name, a.excludes) for a in use.admission} == {
        ("ValidatingAdmissionPolicy", f"only.{bed.group}", False),
        ("ValidatingAdmissionPolicy", f"excludes.{bed.group}", True),
    }
    assert reasons(use) == ["AdmissionNamesOnlyIt"] * 2


async def test_bindings_that_name_only_the_version_block_by_name(real_bed: Bed) -> None:
    await clean(real_bed)
    matches = {"resourceRules": [rule(real_bed, "v1")]}
    spec = {"policyName": "none", "validationActions": ["Audit"], "matchResources": matches}
    await configure(real_bed, KINDS[3], f"only.{real_bed.group}", spec=spec)
    spec = {"policyName": "none", "validationActions": ["Audit"]}
    await configure(real_bed, KINDS[3], f"all.{real_bed.group}", spec=spec)
    [found] = (await one(real_bed)).admission
    assert (found.kind, found.name) == ("ValidatingAdmissionPolicyBinding", f"only.{real_bed.group}")


async def test_webhook_that_names_only_the_version_hears_of_all_writes_until_it_is_dropped(bed: Bed) -> None:
    """Why such a webhook blocks: with matchPolicy Equivalent it guards writes through every version."""
    made = await clean(bed)
    async with open_admission_webhook() as webhook:
        await register(bed, made, webhook, versions=("v1",))
        await bed.create(made, obj(made, "v2", "before"))
        assert webhook.asked("before") == ["CREATE"]
        assert reasons(await one(bed)) == ["AdmissionNamesOnlyIt"]
        after = crd(bed.group, "v2", "v2")
        await bed.apply_crd(after)
        with anyio.fail_after(30):
            for number in range(1000):  # the server learns of the change through its watch
                await bed.create(after, obj(after, "v2", f"after-{number}"))
                if not webhook.asked(f"after-{number}"):
                    return
                await anyio.sleep(0.05)


async def test_policy_that_excludes_only_the_version_applies_to_all_once_it_is_dropped(real_bed: RealBed) -> None:
    """Why such an exclusion blocks."""
    bed = real_bed
    made = await clean(bed)
    gadgets = crd(bed.group, "v2", "v2", plural="gadgets")
    await bed.apply_crd(gadgets)
    name = f"excludes.{bed.group}"
    rules = [rule(bed, "*", resources=("widgets", "gadgets"))]
    matches = {"resourceRules": rules, "excludeResourceRules": [rule(bed, "v1")]}
    spec: Manifest = {"matchConstraints": matches, "validations": [{"expression": "false"}]}
    await configure(bed, KINDS[2], name, spec=spec)
    await configure(bed, KINDS[3], name, spec={"policyName": name, "validationActions": ["Deny"]})

    async def is_denied(manifest: Manifest) -> bool:
        body = obj(manifest, "v2", "w")
        answer = await bed.http.post(f"{bed.path(manifest, 'v2')}?dryRun=All", json=body)
        return answer.status_code == 422

    with anyio.fail_after(30):
        while not await is_denied(gadgets):
            await anyio.sleep(0.1)
    assert not await is_denied(made)
    assert [(a.name, a.excludes) for a in (await one(bed)).admission] == [(name, True)]
    after = crd(bed.group, "v2", "v2")
    await bed.apply_crd(after, settled=False)
    with anyio.fail_after(30):
        while not await is_denied(after):
            await anyio.sleep(0.1)


async def test_what_may_not_be_read_prevents_a_yes(bed: Bed) -> None:
    await clean(bed, "w-0")
    with pytest.raises(errors.ForbiddenError):
        await look(bed, "upgrader")
    await bed.grant("upgrader", ("get",), "apiextensions.k8s.io", ("customresourcedefinitions",))
    use = await one(bed, user="upgrader")
    assert (use.droppable, use.objects) == (False, None)
    assert {(m.what, m.reason) for m in use.not_checked} >= {
        (f"objects of widgets.{bed.group}", "Forbidden"),
        ("validatingwebhookconfigurations", "Forbidden"),
        ("validatingadmissionpolicies", "Forbidden"),
    }
    assert set(reasons(use)) == {"NotChecked"}
    await bed.grant("upgrader", ("list",), bed.group, ("widgets",))
    await bed.grant("upgrader", ("list",), "admissionregistration.k8s.io", KINDS)
    assert (await one(bed, user="upgrader")).droppable
    use = await one(bed, user="upgrader", owners=True)
    assert not use.droppable
    assert ("namespaces", "Forbidden") in {(m.what, m.reason) for m in use.not_checked}


async def test_manifests_that_use_it_block_by_file_and_name(bed: Bed, tmp_path: Path) -> None:
    made = await clean(bed)
    folder = tmp_path / "release"
    folder.mkdir()
    items = [obj(made, "v1", "in-list"), obj(made, "v2", "new"), obj(made, "v1", "x") | {"kind": "Other"}]
    (folder / "list.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    (folder / "crd.json").write_text(json.dumps(made))
    (folder / "values.yaml").write_text(f"api: {bed.group}/v1\nkind: Widget\n")
    (folder / "one.yaml").write_text(
        f"kind: ConfigMap\n---\napiVersion: {bed.group}/v1\nkind: Widget\nmetadata: {{name: one}}\n"
    )
    use = await one(bed, manifests=[folder])
    assert use.manifests is not None
    assert use.mentions is not None
    assert [(m.source, m.at) for m in use.mentions] == [(str(folder / "values.yaml"), "api")]
    assert [(m.source, m.objects, m.names) for m in use.manifests] == [
        (str(folder / "list.json"), 1, ("default/in-list",)),
        (str(folder / "one.yaml"), 1, ("one",)),
    ]
    assert reasons(use) == ["ManifestsUseIt", "ManifestsUseIt", "ManifestsNameIt"]
    use = await one(bed, manifests=[folder / "crd.json"])
    assert (use.manifests, use.droppable) == ((), True)


async def test_what_makes_no_sense_is_said(bed: Bed) -> None:
    await clean(bed)
    seen: list[Event] = []
    with pytest.raises(errors.UsageError, match=r"has no version v9 \(it has v1, v2\)"):
        await look(bed, version="v9")
    [use] = (await look(bed, version="v2", observers=[seen.append])).versions
    assert (use.droppable, reasons(use)) == (False, ["IsStorageVersion"])
    assert len([e for e in seen if isinstance(e, RequestSent)]) == 1
    async with bed.cluster() as cluster:
        with pytest.raises(errors.NotFoundError):
            await droppable(cluster, f"nothings.{bed.group}")
        with pytest.raises(errors.UsageError, match="no CRD's name"):
            await droppable(cluster, "widgets")


async def test_crd_that_changes_meanwhile_is_to_be_asked_again(embedded: EmbeddedBed) -> None:
    await clean(embedded, "w-0")

    def change(event: Event) -> None:
        if isinstance(event, RequestSent) and "/widgets?" in event.target:
            embedded.server.apply_crd(crd(embedded.group, "v1", "v1", "v2"))

    assert reasons(await one(embedded, observers=[change])) == ["CRDChanged"]


async def test_crd_that_is_not_served_is_not_checked(bed: Bed) -> None:
    unserved = crd(bed.group, "v2", "v1", "v2", unserved=("v1", "v2"))
    await bed.apply_crd(unserved)
    use = await one(bed)
    assert ([(m.what, m.reason) for m in use.not_checked], use.objects) == (
        [(f"objects of widgets.{bed.group}", "NoServedVersion")],
        None,
    )


async def test_plan_says_it_of_each_crd_that_has_the_version(bed: Bed) -> None:
    await moved(bed, "w-0")
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", plural="gadgets"))
    await bed.apply_crd(crd(bed.group, "v1", "v1", plural="things"))
    await bed.apply_crd(crd(bed.group, "v2", "v2", plural="others"))
    names = [f"{plural}.{bed.group}" for plural in ("gadgets", "others", "things", "widgets")]
    async with bed.cluster() as cluster:
        made = await plan(cluster, names=names, drop="v1")
        assert all(c.droppable is None for c in (await plan(cluster, names=names)).crds)
    found = [c.droppable and [(v.version, reasons(v)) for v in c.droppable.versions] for c in made.crds]
    assert found == [
        [("v1", [])],
        None,
        [("v1", ["IsStorageVersion"])],
        [("v1", ["StoredVersionsNamesIt", "OwnersInIt"])],
    ]


@pytest.mark.parametrize("resource", [KINDS[2], KINDS[4]])
async def test_policy_with_its_parameters_in_the_version_blocks(bed: Bed, resource: str) -> None:
    if resource == KINDS[4] and (isinstance(bed, EmbeddedBed) or bed.minor < MUTATING_POLICIES):
        pytest.skip("this server has no mutating admission policies")
    await clean(bed)
    rules = [rule(bed, "v1", resources=("configmaps",), group="")]
    spec: Manifest = {"matchConstraints": {"resourceRules": rules}, "failurePolicy": "Ignore"}
    if resource == KINDS[2]:
        spec["validations"] = [{"expression": "true"}]
    else:
        patch = {"expression": "Object{metadata: Object.metadata{labels: {'a': 'b'}}}"}
        spec["mutations"] = [{"patchType": "ApplyConfiguration", "applyConfiguration": patch}]
        spec["reinvocationPolicy"] = "Never"
    for version in ("v1", "v2"):
        param = {"apiVersion": f"{bed.group}/{version}", "kind": "Widget"}
        await configure(bed, resource, f"{version}.{bed.group}", spec=spec | {"paramKind": param})
    use = await one(bed)
    assert [(a.name, a.param, a.failure_policy) for a in use.admission] == [(f"v1.{bed.group}", True, "Ignore")]
    assert reasons(use) == ["ParamKindInIt"]


async def test_policy_without_the_version_of_its_parameters_denies_all_that_it_is_for(real_bed: RealBed) -> None:
    """Why such a policy blocks. A server that knew the version before goes on with what it last saw of it."""
    bed = real_bed
    made = crd(bed.group, "v2", "v2")
    await bed.apply_crd(made)
    gadgets = crd(bed.group, "v2", "v2", plural="gadgets")
    await bed.apply_crd(gadgets)
    name = f"param.{bed.group}"
    spec: Manifest = {
        "matchConstraints": {"resourceRules": [rule(bed, "v2", resources=("gadgets",))]},
        "paramKind": {"apiVersion": f"{bed.group}/v1", "kind": "Widget"},
        "validations": [{"expression": "true"}],
    }
    await configure(bed, KINDS[2], name, spec=spec)
    reference = {"selector": {}, "parameterNotFoundAction": "Allow"}
    binding = {"policyName": name, "validationActions": ["Deny"], "paramRef": reference}
    await configure(bed, KINDS[3], name, spec=binding)
    with anyio.fail_after(30):
        while True:
            answer = await bed.http.post(f"{bed.path(gadgets, 'v2')}?dryRun=All", json=obj(gadgets, "v2", "g"))
            if "failed to find resource referenced by paramKind" in answer.text:
                break
            await anyio.sleep(0.1)
    [use] = (await look(bed)).versions
    assert (use.version, use.in_crd, reasons(use)) == ("v1", False, ["ParamKindInIt"])


async def test_the_only_served_version_cannot_be_dropped(bed: Bed) -> None:
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", unserved=("v2",)))
    use = await one(bed)
    assert reasons(use) == ["OnlyServedVersion"]
    assert use.reasons[0].advice == "serve v2 first"


async def test_versions_that_can_all_be_dropped_can_be_dropped_together(bed: Bed) -> None:
    await bed.apply_crd(crd(bed.group, "v3", "v1", "v2", "v3"))
    hooks = [hook(bed, "old", rule(bed, "v1", "v2"))]
    await configure(bed, KINDS[0], f"hooks.{bed.group}", webhooks=hooks)
    assert (await one(bed, version="v1")).droppable
    assert (await one(bed, version="v2")).droppable
    found = await look(bed)
    assert [reasons(v) for v in found.versions] == [["AdmissionNamesOnlyIt"], ["AdmissionNamesOnlyIt"]]
    assert "v1 and no version that stays once v2 is dropped too" in found.versions[0].reasons[0].message


async def test_what_is_in_a_version_that_is_gone_is_found(bed: Bed, tmp_path: Path) -> None:
    made = await bed.apply_crd(crd(bed.group, "v2", "v2"))
    gadgets = crd(bed.group, "v1", "v1", plural="gadgets")
    await bed.apply_crd(gadgets)
    owner = {"apiVersion": f"{bed.group}/v0", "kind": "Widget", "name": "w", "uid": "1"}
    await bed.create(gadgets, obj(gadgets, "v1", "g", metadata={"ownerReferences": [owner]}))
    (tmp_path / "w.json").write_text(json.dumps(obj(made, "v1", "w")))
    assert (await look(bed, manifests=[tmp_path])).versions[0].manifests != ()
    await bed.create(gadgets, obj(gadgets, "v1", "g-1", metadata={"ownerReferences": [owner]}))
    found = await look(bed, manifests=[tmp_path], owners=True)
    assert {v.version: reasons(v) for v in found.versions} == {
        "v0": ["OwnerReferencesInIt"],
        "v1": ["ManifestsUseIt"],
    }
    assert reasons(await one(bed, manifests=[tmp_path])) == ["ManifestsUseIt"]
    with pytest.raises(errors.UsageError, match="has no version v1"):
        await one(bed)


class Answers:
    """Answers some requests itself, as a proxy or an aggregated API might."""

    def __init__(self, inner: Transport, answers: dict[str, tuple[int, Manifest]]) -> None:
        self._inner = inner
        self._answers = answers

    async def send(self, request: Request, *, within: float | None) -> Response:
        for part, (status, body) in self._answers.items():
            if part in request.target:
                return Response(status, {"content-type": "application/json"}, json.dumps(body).encode())
        return await self._inner.send(request, within=within)

    async def aclose(self) -> None:
        await self._inner.aclose()


async def answered(bed: EmbeddedBed, answers: dict[str, tuple[int, Manifest]], **how: Any) -> VersionUse:  # noqa: ANN401
    async def open_transport() -> OpenCluster:
        opened = await open_kubeconfig(bed.kubeconfig(), None)
        return dataclasses.replace(opened, transport=Answers(opened.transport, answers))

    brief = RetryPolicy(first_wait=0.01, max_wait=0.05, max_seconds=0.3)
    with anyio.fail_after(20):
        async with Cluster(open_transport) as cluster:
            found = await droppable(cluster, f"widgets.{bed.group}", version="v1", retry_policy=brief, **how)
    return found.versions[0]


async def test_what_an_aggregated_api_may_answer_leads_to_no_yes_and_ends(embedded: EmbeddedBed) -> None:
    await clean(embedded)
    await embedded.apply_crd(crd(embedded.group, "v1", "v1", plural="gadgets"))
    listed: Manifest = {"kind": "GadgetList", "metadata": {}, "items": []}
    for metadata in ({"continue": "again"}, {"remainingItemCount": 7}):
        use = await answered(embedded, {"/gadgets?": (200, listed | {"metadata": metadata})}, owners=True)
        assert [(m.what, m.reason) for m in use.not_checked] == [(f"gadgets.{embedded.group}", "BadAnswer")]
    use = await answered(embedded, {"/widgets?": (200, listed | {"metadata": {"continue": "again"}})})
    assert [m.what for m in use.not_checked] == [f"objects of widgets.{embedded.group}"] * 1
    status = {"kind": "Status", "code": 401, "reason": "Unauthorized", "message": "who?"}
    use = await answered(embedded, {"/gadgets?": (401, status)}, owners=True)
    assert [m.reason for m in use.not_checked] == ["Unauthorized"]
    for name in ("a\r\nb", "..", "?limit=1#", ""):
        offered = {"kind": "APIResourceList", "resources": [{"name": name, "verbs": ["list"]}]}
        use = await answered(embedded, {f"/apis/{embedded.group}/v1": (200, offered)}, owners=True)
        assert {m.reason for m in use.not_checked} == {"BadAnswer"}


@pytest.mark.parametrize("answer", [(404, {}), (200, {"kind": "APIResourceList", "resources": None})])
async def test_server_that_hides_its_webhooks_is_not_believed(
    embedded: EmbeddedBed, answer: tuple[int, Manifest]
) -> None:
    await clean(embedded)
    use = await answered(embedded, {"/apis/admissionregistration.k8s.io/": answer})
    assert reasons(use)[0] == "NotChecked"


async def test_crd_that_is_being_deleted_is_said_to_be(embedded: EmbeddedBed) -> None:
    made = await clean(embedded)
    name = made["metadata"]["name"]
    live = await embedded.live_crd(name)
    live["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    use = await answered(embedded, {f"/{name}": (200, live)})
    assert use.notes[0].reason == "CRDTerminating"
