"""Kubernetes Events about CRDs on both servers: what is recorded, and that nothing depends on it."""

from __future__ import annotations

import subprocess
from typing import Any

import anyio
import pytest

from asyncmigrate import Outcome, Report, plan, run
from asyncmigrate._rules.decisions.crd_events import CRDEvent, EventType
from asyncmigrate.events import Event, EventNotRecorded
from tests.bed.admission import CONFIGURATIONS, AdmissionWebhook, open_admission_webhook
from tests.bed.bed import Bed, EmbeddedBed, RealBed
from tests.bed.scenes import Manifest, crd, obj
from tests.command.runner import command, environment

EVENTS = "/api/v1/namespaces/default/events"
MIGRATED = "StorageMigrated"


async def stale(bed: Bed, count: int = 3, plural: str = "widgets") -> str:
    before = crd(bed.group, "v1", "v1", "v2", plural=plural)
    await bed.apply_crd(before)
    await bed.create(before, *(obj(before, "v1", f"w-{n}") for n in range(count)))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", plural=plural))
    return f"{plural}.{bed.group}"


async def recorded(bed: Bed) -> list[Manifest]:
    """The Events about this test's CRDs, found as `kubectl describe crd` finds them: the namespace is empty."""
    items = (await bed.http.get(EVENTS)).json()["items"]
    found = [e for e in items if e["involvedObject"].get("name", "").endswith(f".{bed.group}")]
    assert all(not e["involvedObject"].get("namespace") for e in found)
    bed.leftovers += [f"{EVENTS}/{e['metadata']['name']}" for e in found]
    return found


async def migrate(bed: Bed, seen: list[Event] | None = None, user: str = "admin", **how: Any) -> Report:  # noqa: ANN401
    async with bed.cluster(user) as cluster:
        names = sorted(bed.made)
        made = await plan(cluster, names=names, counts_within=0)
        observers = [seen.append] if seen is not None else []
        return await run(cluster, made, settle=0, record_events=True, observers=observers, **how)


def warnings(seen: list[Event]) -> list[EventNotRecorded]:
    return [e for e in seen if isinstance(e, EventNotRecorded)]


async def test_a_migrated_crd_has_an_event_that_kubectl_describe_shows(bed: Bed) -> None:
    name = await stale(bed)
    live = await bed.live_crd(name)
    report = await migrate(bed)
    assert report.ok
    [event] = await recorded(bed)
    assert (event["type"], event["reason"], event["count"]) == ("Normal", "StorageMigrated", 1)
    assert event["message"] == (
        "every object is stored in v2 (3 objects: 3 rewritten); status.storedVersions was trimmed to [v2]."
    )
    about = event["involvedObject"]
    assert about == {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "name": name,
        "uid": live["metadata"]["uid"],
        "resourceVersion": about["resourceVersion"],
    }
    assert (event["source"], event["reportingComponent"]) == ({"component": "asyncmigrate"}, "asyncmigrate")
    assert event["firstTimestamp"] == event["lastTimestamp"]
    # The field selector of `kubectl describe`, which the real server knows.
    if isinstance(bed, RealBed):
        selector = f"involvedObject.name={name},involvedObject.namespace=,involvedObject.uid={about['uid']}"
        chosen = (await bed.http.get(EVENTS, params={"fieldSelector": selector})).json()["items"]
        assert [e["metadata"]["name"] for e in chosen] == [event["metadata"]["name"]]


async def test_runs_that_say_the_same_are_counted_and_the_newest_message_stays(bed: Bed) -> None:
    name = await stale(bed)
    for _ in range(3):
        assert (await migrate(bed)).ok
        for storage in ("v1", "v2"):
            await bed.apply_crd(crd(bed.group, storage, "v1", "v2"))
    [event] = await recorded(bed)
    assert (event["count"], event["reason"], event["involvedObject"]["name"]) == (3, "StorageMigrated", name)
    assert event["lastTimestamp"] >= event["firstTimestamp"]
    # One that has expired meanwhile is recorded as new.
    await bed.http.delete(f"{EVENTS}/{event['metadata']['name']}")
    assert (await migrate(bed)).ok
    assert [e["count"] for e in await recorded(bed)] == [1]


async def test_a_dry_run_and_a_crd_that_is_current_make_none(bed: Bed) -> None:
    await stale(bed)
    await migrate(bed, dry_run=True)
    async with bed.cluster() as cluster:
        await run(cluster, await plan(cluster, names=sorted(bed.made)), settle=0)  # nor does a run that is not asked to
    await migrate(bed)
    assert await recorded(bed) == []


async def test_without_the_right_the_run_goes_on_and_says_so_once(bed: Bed) -> None:
    names = [await stale(bed, 1, plural=p) for p in ("widgets", "gadgets", "gizmos")]
    await bed.grant("upgrader", ("get", "list", "patch"), bed.group, ("widgets", "gadgets", "gizmos"))
    crds = ("customresourcedefinitions", "customresourcedefinitions/status")
    await bed.grant("upgrader", ("get", "patch"), "apiextensions.k8s.io", crds)
    seen: list[Event] = []
    report = await migrate(bed, seen, user="upgrader", max_in_flight=1)
    assert [c.outcome for c in report.crds] == [Outcome.MIGRATED] * 3
    assert [await bed.stored_versions(n) for n in names] == [["v2"]] * 3
    [warning] = warnings(seen)
    assert 'cannot create resource "events"' in warning.error
    assert "rights to create and patch events in namespace default" in warning.error
    assert await recorded(bed) == []


async def test_the_rights_that_the_docs_name_are_enough(bed: Bed) -> None:
    await stale(bed)
    await bed.grant("upgrader", ("get", "list", "patch"), bed.group, ("widgets",))
    crds = ("customresourcedefinitions", "customresourcedefinitions/status")
    await bed.grant("upgrader", ("get", "patch"), "apiextensions.k8s.io", crds)
    await bed.grant("upgrader", ("create", "patch"), "", ("events",))
    seen: list[Event] = []
    assert (await migrate(bed, seen, user="upgrader")).ok
    for storage in ("v1", "v2"):
        await bed.apply_crd(crd(bed.group, storage, "v1", "v2"))
    assert (await migrate(bed, seen, user="upgrader")).ok
    assert warnings(seen) == []
    assert [e["count"] for e in await recorded(bed)] == [2]


async def test_what_failed_is_named_with_its_reason(embedded: EmbeddedBed) -> None:
    name = await stale(embedded)
    embedded.server.faults.deny(message="no\x1b[2J\nnew line", name="w-1")
    report = await migrate(embedded)
    assert report.crds[0].outcome is Outcome.INCOMPLETE
    [event] = await recorded(embedded)
    assert (event["type"], event["reason"], event["involvedObject"]["name"]) == ("Warning", "ObjectsFailed", name)
    assert event["message"].startswith("1 of 3 objects could not be rewritten in v2, such as default/w-1: ")
    assert event["message"].endswith("Fix the objects. Then run asyncmigrate again.")
    assert event["message"].isprintable()


async def test_a_blocked_crd_and_those_that_it_holds_back_are_named(bed: Bed) -> None:
    held = await stale(bed)
    blocked = await stale(bed, 1, plural="gadgets")
    await bed.grant("upgrader", ("get", "list", "patch"), bed.group, ("widgets",))
    crds = ("customresourcedefinitions", "customresourcedefinitions/status")
    await bed.grant("upgrader", ("get", "patch"), "apiextensions.k8s.io", crds)
    await bed.grant("upgrader", ("create", "patch"), "", ("events",))
    await migrate(bed, user="upgrader")
    found = {e["involvedObject"]["name"]: e for e in await recorded(bed)}
    assert {n: e["reason"] for n, e in found.items()} == dict.fromkeys((held, blocked), "StorageMigrationIncomplete")
    assert "Not migrated to v2: RightsMissing: rights are missing" in found[blocked]["message"]
    assert "PlanBlocked" in found[held]["message"]


@pytest.mark.parametrize(
    "how",
    [(500, "InternalError", "etcd is away"), (403, "Forbidden", "not here")],
    ids=["500", "403"],
)
async def test_an_events_api_that_fails_fails_nothing(embedded: EmbeddedBed, how: tuple[int, str, str]) -> None:
    for plural in ("widgets", "gadgets"):
        await stale(embedded, 2, plural=plural)
    code, reason, message = how
    embedded.server.faults.answer(code, reason=reason, message=message, resource="events")
    seen: list[Event] = []
    with anyio.fail_after(20):
        report = await migrate(embedded, seen)
    assert report.ok
    assert report.retries == 0
    assert 1 <= len(warnings(seen)) <= 2


async def test_an_events_api_that_hangs_holds_up_nothing_for_long(embedded: EmbeddedBed) -> None:
    for number in range(20):
        await stale(embedded, 1, plural=f"things{number}")
    embedded.server.faults.delay(600, resource="events")
    seen: list[Event] = []
    with anyio.fail_after(15):
        report = await migrate(embedded, seen, max_in_flight=4)
    assert len(report.by_outcome(Outcome.MIGRATED)) == 20
    assert report.ok
    assert warnings(seen)


async def test_very_many_crds_send_a_few_events_at_a_time(embedded: EmbeddedBed) -> None:
    """As when all are blocked: nothing else is to be done meanwhile."""
    count = 150
    for number in range(count):
        embedded.server.apply_crd(crd(embedded.group, "v1", "v1", "v2", plural=f"things{number}"))
        embedded.server.apply_crd(crd(embedded.group, "v2", "v1", "v2", plural=f"things{number}"))
        embedded.made.add(f"things{number}.{embedded.group}")
    embedded.server.add_user("upgrader", [])
    await embedded.grant("upgrader", ("get",), "apiextensions.k8s.io", ("customresourcedefinitions",))
    await embedded.grant("upgrader", ("create", "patch"), "", ("events",))
    seen: list[Event] = []
    report = await migrate(embedded, seen, user="upgrader")
    assert len(report.by_outcome(Outcome.BLOCKED)) == count
    assert len(await recorded(embedded)) == count
    assert warnings(seen) == []


async def test_a_crd_that_is_gone_meanwhile_makes_none(embedded: EmbeddedBed) -> None:
    name = await stale(embedded)
    seen: list[Event] = []
    async with embedded.cluster() as cluster:
        made = await plan(cluster, counts_within=0)
        await embedded.http.delete(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
        report = await run(cluster, made, settle=0, record_events=True, observers=[seen.append])
    assert report.crds[0].outcome is Outcome.SKIPPED
    assert await recorded(embedded) == []


async def test_the_command_records_them_with_events(bed: Bed) -> None:
    name = await stale(bed)
    args = command("run", name, "-y", "--settle", "0", "--events", "--kubeconfig", bed.kubeconfig())
    done = await anyio.run_process(args, env=environment(bed.folder), stderr=subprocess.PIPE)
    assert b"warning" not in done.stderr
    assert [e["reason"] for e in await recorded(bed)] == ["StorageMigrated"]


async def test_the_command_warns_and_still_ends_with_0(embedded: EmbeddedBed) -> None:
    name = await stale(embedded)
    embedded.server.faults.answer(403, reason="Forbidden", message="not here", resource="events")
    for quiet in ((), ("-q",), ("-v",)):
        await embedded.apply_crd(crd(embedded.group, "v1", "v1", "v2"))
        await embedded.apply_crd(crd(embedded.group, "v2", "v1", "v2"))
        args = command("run", name, "-y", "--settle", "0", "--events", *quiet, "--kubeconfig", embedded.kubeconfig())
        done = await anyio.run_process(args, env=environment(embedded.folder), stderr=subprocess.PIPE)
        assert b"not here" in done.stderr


async def until_denied(bed: Bed, webhook: AdmissionWebhook) -> None:
    """Have writes of Events shown to a webhook, and wait until the server does so."""
    name = f"events.{bed.group}"
    hook = {
        "name": name,
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": webhook.client_config,
        "timeoutSeconds": 30,
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["events"]}],
    }
    answer = await bed.http.post(CONFIGURATIONS, json={"metadata": {"name": name}, "webhooks": [hook]})
    assert answer.status_code == 201, answer.text
    bed.leftovers.append(f"{CONFIGURATIONS}/{name}")
    probe = {"metadata": {"name": f"probe.{bed.group}"}, "involvedObject": {"name": "probe"}}
    with anyio.fail_after(20):
        while not webhook.asked(f"probe.{bed.group}"):
            await bed.http.post(f"{EVENTS}?dryRun=All", json=probe)


@pytest.mark.parametrize("how", ["denies", "hangs"])
async def test_a_webhook_for_events_fails_nothing(bed: Bed, how: str) -> None:
    name = await stale(bed)
    uid = (await bed.live_crd(name))["metadata"]["uid"]
    marked = CRDEvent(crd=name, uid=uid, resource_version="", type=EventType.NORMAL, reason=MIGRATED, message="")
    seen: list[Event] = []
    async with open_admission_webhook() as webhook:
        await until_denied(bed, webhook)
        deny = {"code": 403, "message": "no Events on a Monday"} if how == "denies" else None
        webhook.answer(marked.name, deny=deny, seconds=0 if deny else 20)
        with anyio.fail_after(30):
            report = await migrate(bed, seen)
        assert webhook.asked(marked.name)
    assert report.ok
    assert await bed.stored_versions(name) == ["v2"]
    [warning] = warnings(seen)
    if how == "denies":
        assert "no Events on a Monday" in warning.error
    assert await recorded(bed) == []


@pytest.mark.real
async def test_a_quota_does_not_hold_for_events(real_bed: RealBed) -> None:
    """It leaves them out: ignoredResources in kubernetes' pkg/quota/v1/install/registry.go."""
    quotas = "/api/v1/namespaces/default/resourcequotas"
    quota = {"metadata": {"name": real_bed.group}, "spec": {"hard": {"count/events": "0"}}}
    (await real_bed.http.post(quotas, json=quota)).raise_for_status()
    real_bed.leftovers.append(f"{quotas}/{real_bed.group}")
    await stale(real_bed)
    seen: list[Event] = []
    assert (await migrate(real_bed, seen)).ok
    assert warnings(seen) == []
    assert len(await recorded(real_bed)) == 1
