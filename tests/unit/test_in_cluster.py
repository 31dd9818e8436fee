"""Manifests of a run inside a cluster, by what must hold of them; the real API server judges them in tests/contract."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from asyncmigrate._cli.exits import Exit
from asyncmigrate._output.in_cluster import Hook, InCluster, state_of
from asyncmigrate._output.manifest_set import as_documents, manifest_set
from asyncmigrate._output.role_yaml import roles
from asyncmigrate.errors import UsageError
from tests.bed.in_cluster import STATE, VARIANTS

each = pytest.mark.parametrize("wanted", VARIANTS.values(), ids=VARIANTS)
Manifest = dict[str, Any]


def of_kind(wanted: InCluster, *kinds: str) -> list[Manifest]:
    return [m for m in manifest_set(wanted) if m["kind"] in kinds]


def job_specs(wanted: InCluster) -> list[Manifest]:
    return [m["spec"].get("jobTemplate", m)["spec"] for m in of_kind(wanted, "Job", "CronJob")]


@each
def test_what_is_printed_is_read_back_as_it_was(wanted: InCluster) -> None:
    text = as_documents(manifest_set(wanted))
    assert list(yaml.safe_load_all(text)) == manifest_set(wanted)


@each
def test_each_binding_binds_a_role_of_the_set_to_its_account(wanted: InCluster) -> None:
    [account] = of_kind(wanted, "ServiceAccount")
    made = {(r["kind"], r["metadata"].get("namespace"), r["metadata"]["name"]) for r in roles(wanted)}
    bound = set()
    for binding in of_kind(wanted, "ClusterRoleBinding", "RoleBinding"):
        role = binding["roleRef"]
        bound.add((role["kind"], binding["metadata"].get("namespace"), role["name"]))
        assert binding["kind"] == f"{role['kind']}Binding"
        where = {"name": account["metadata"]["name"], "namespace": account["metadata"]["namespace"]}
        assert binding["subjects"] == [{"kind": "ServiceAccount", **where}]
    assert bound == made


@each
def test_the_pod_runs_as_the_account_and_is_restricted(wanted: InCluster) -> None:
    for spec in job_specs(wanted):
        pod = spec["template"]["spec"]
        [container] = pod["containers"]
        assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == (wanted.name, True)
        assert pod["restartPolicy"] == "Never"
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] >= 10000
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert set(container["resources"]) == {"requests", "limits"}
        assert pod["terminationGracePeriodSeconds"] >= 10
        assert container["image"] == wanted.image
        assert not {"command", "env", "volumeMounts"} & set(container)


@each
def test_only_what_another_try_may_change_is_tried_again(wanted: InCluster) -> None:
    for spec in job_specs(wanted):
        codes, disrupted = spec["podFailurePolicy"]["rules"]
        assert codes["onExitCodes"]["operator"] == "In"
        assert set(codes["onExitCodes"]["values"]) == {Exit.USAGE, Exit.BLOCKED}
        assert codes["onExitCodes"]["containerName"] == spec["template"]["spec"]["containers"][0]["name"]
        assert disrupted == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}
        if wanted.shards is None:
            assert (codes["action"], spec["backoffLimit"]) == ("FailJob", 6)
            assert "completionMode" not in spec
        else:
            assert (codes["action"], spec["backoffLimitPerIndex"]) == ("FailIndex", 6)
            assert spec["completionMode"] == "Indexed"
            assert spec["completions"] == spec["parallelism"] == wanted.shards


@each
def test_a_job_goes_by_itself_and_a_cron_job_keeps_some(wanted: InCluster) -> None:
    for manifest in of_kind(wanted, "Job"):
        assert manifest["spec"]["ttlSecondsAfterFinished"] > 0
    for manifest in of_kind(wanted, "CronJob"):
        spec = manifest["spec"]
        assert spec["schedule"] == wanted.schedule
        assert spec["concurrencyPolicy"] == "Forbid"
        assert spec["failedJobsHistoryLimit"] > 0
        assert "ttlSecondsAfterFinished" not in spec["jobTemplate"]["spec"]


@each
def test_the_command_gets_what_was_asked_for(wanted: InCluster) -> None:
    for spec in job_specs(wanted):
        args = spec["template"]["spec"]["containers"][0]["args"]
        assert args[:2] == ["run", "--yes"]
        names = len(wanted.crds)
        assert tuple(args[len(args) - names :]) == wanted.crds
        assert ("--ignore-not-found" in args) == wanted.may_be_new
        assert ("--events" in args) == wanted.events
        assert ("--no-state" in args) == (wanted.state is None)
        if wanted.state is not None:
            assert args[args.index("--state") + 1] == f"configmap:{wanted.state.namespace}/{wanted.state.name}"
        if wanted.shards is not None:
            assert args[args.index("--shards") + 1] == str(wanted.shards)


@pytest.mark.parametrize(
    ("hook", "key", "phases", "order", "policy"),
    [
        (Hook.HELM_PRE, "helm.sh/hook", ["pre-upgrade"], "helm.sh/hook-weight", "before-hook-creation,hook-succeeded"),
        (
            Hook.HELM_POST,
            "helm.sh/hook",
            ["post-upgrade"],
            "helm.sh/hook-weight",
            "before-hook-creation,hook-succeeded",
        ),
        *(
            (
                hook,
                "argocd.argoproj.io/hook",
                phases,
                "argocd.argoproj.io/sync-wave",
                "BeforeHookCreation,HookSucceeded",
            )
            for hook, phases in (
                (Hook.ARGOCD, ["PreSync", "PostSync"]),
                (Hook.ARGOCD_PRE, ["PreSync"]),
                (Hook.ARGOCD_POST, ["PostSync"]),
            )
        ),
    ],
)
def test_all_of_a_hook_are_hooks_and_the_job_is_last(
    hook: Hook, key: str, phases: list[str], order: str, policy: str
) -> None:
    wanted = InCluster(crds=("w.x",), hook=hook, state=STATE, events=True, flow_schema=True)
    made = manifest_set(wanted)
    jobs = of_kind(wanted, "Job")
    assert [job["metadata"]["annotations"][key] for job in jobs] == phases
    assert len({job["metadata"]["name"] for job in jobs}) == len(jobs)
    for manifest in made:
        annotations = manifest["metadata"]["annotations"]
        assert annotations[f"{key}-delete-policy"] == policy
        if manifest["kind"] != "Job":
            assert annotations[key] == phases[0]
            assert int(annotations[order]) < min(int(job["metadata"]["annotations"][order]) for job in jobs)
    assert all(isinstance(v, str) for m in made for v in m["metadata"]["annotations"].values())


@each
def test_without_a_hook_there_are_no_annotations(wanted: InCluster) -> None:
    assert all(("annotations" in m["metadata"]) == (wanted.hook is not None) for m in manifest_set(wanted))


def test_two_installations_share_nothing_that_is_cluster_scoped() -> None:
    def everywhere(wanted: InCluster) -> set[tuple[str, str]]:
        scoped = [m for m in manifest_set(wanted) if "namespace" not in m["metadata"] or m["kind"] == "Role"]
        return {(m["kind"], m["metadata"]["name"]) for m in scoped}

    one, other = (InCluster(crds=("w.x",), namespace=ns, events=True, flow_schema=True) for ns in ("a", "b"))
    assert not everywhere(one) & everywhere(other)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"crds": ("widgets",)}, "'widgets' is no CRD's name"),
        ({"namespace": "Up"}, "--namespace 'Up': write at most 63"),
        ({"name": "a" * 53}, "--name .*: write at most 52"),
        ({"image": "no image"}, "--image 'no image' is no image"),
        ({"schedule": "daily"}, "--schedule 'daily' is no schedule"),
        ({"schedule": "@daily", "hook": Hook.HELM_PRE}, "give one of them"),
        ({"shards": 2}, "--shards needs a state that all of them share"),
    ],
    ids=lambda w: next(iter(w)) if isinstance(w, dict) else "",
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        InCluster(**wrong)


@pytest.mark.parametrize(
    "text", ["", "file.json", "configmap:", "configmap:name", "configmap:/n", "configmap:ns/", "configmap:a/b/c"]
)
def test_a_state_is_a_configmap(text: str) -> None:
    with pytest.raises(UsageError, match="--state"):
        state_of(text)


def test_a_state_is_printed_as_it_is_read() -> None:
    assert str(state_of("configmap:up/kept")) == "configmap:up/kept"
