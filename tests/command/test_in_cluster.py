"""`asyncmigrate manifests` and `asyncmigrate rbac`: what they print, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.bed.scenes import crd
from tests.command.runner import Ended, asyncmigrate

CRD = "widgets.example.com"


def kinds(ended: Ended) -> list[str]:
    return [manifest["kind"] for manifest in yaml.safe_load_all(ended.out)]


def args_of(ended: Ended) -> list[str]:
    [job] = [m for m in yaml.safe_load_all(ended.out) if m["kind"] == "Job"]
    found: list[str] = job["spec"]["template"]["spec"]["containers"][0]["args"]
    return found


async def test_manifests_are_printed_and_no_cluster_is_asked(tmp_path: Path) -> None:
    ended = await asyncmigrate("manifests", f"crd/{CRD}", CRD, "-n", "up", home=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert kinds(ended) == ["ServiceAccount", "ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding", "Job"]
    assert args_of(ended) == ["run", "--yes", "--state", "configmap:up/asyncmigrate-state", CRD]


async def test_rbac_prints_the_roles_of_the_same_run(tmp_path: Path) -> None:
    args = (CRD, "--events", "--name", "mine")
    whole = await asyncmigrate("manifests", *args, home=tmp_path)
    roles = await asyncmigrate("rbac", *args, home=tmp_path)
    assert (roles.code, roles.err) == (0, "")
    assert kinds(roles) == ["ClusterRole", "Role", "Role"]
    made = list(yaml.safe_load_all(whole.out))
    assert [m for m in made if m["kind"] in {"ClusterRole", "Role"}] == list(yaml.safe_load_all(roles.out))


async def test_without_names_it_is_said_in_a_line_how_much_the_role_may_do(tmp_path: Path) -> None:
    ended = await asyncmigrate("rbac", "--no-state", home=tmp_path)
    assert ended.code == 0
    [role] = yaml.safe_load_all(ended.out)
    assert role["rules"] == [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "patch"]}]
    [line] = ended.err.splitlines()
    assert line.startswith("warning: no CRD is named, so this role may get, list and patch every object")


async def test_the_crds_of_manifests_may_be_new(tmp_path: Path) -> None:
    items = [crd("b.example.com", "v1", "v1"), crd("a.example.com", "v1", "v1")]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items}).encode()
    ended = await asyncmigrate("manifests", "-f", "-", "--hook", "helm-pre", "--no-state", home=tmp_path, stdin=text)
    assert (ended.code, ended.err) == (0, "")
    names = ["widgets.a.example.com", "widgets.b.example.com"]
    assert args_of(ended) == ["run", "--yes", "--no-state", "--ignore-not-found", *names]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((CRD, "--namespace", "Up"), "--namespace 'Up': write at most 63 small letters"),
        ((CRD, "--name", "a.b"), "--name 'a.b': write at most 52"),
        ((CRD, "--image", "my image"), "'my image' is no image"),
        ((CRD, "--schedule", "61 * * * *"), "'61' is no minute (0 to 59)"),
        ((CRD, "--schedule", "@daily", "--hook", "argocd"), "--schedule makes a CronJob"),
        ((CRD, "--shards", "2", "--no-state"), "--shards needs a state"),
        ((CRD, "--shards", "0"), "--shards"),
        ((CRD, "--state", "state.json"), "a pod keeps no files; write configmap:NAMESPACE/NAME"),
        ((CRD, "--state", "configmap:a/b", "--no-state"), "exclude each other"),
        ((CRD, "--hook", "flux"), "'flux' is not one of"),
        (("widgets",), "'widgets' is no CRD's name"),
        (("-R",), "-R goes with -f"),
        (("-f", "none.yaml"), "none.yaml"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, tuple) else "",
)
async def test_bad_input_is_one_line_and_nothing_is_printed(tmp_path: Path, args: tuple[Any, ...], words: str) -> None:
    ended = await asyncmigrate("manifests", *args, home=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.error


async def test_a_crd_that_the_manifests_do_not_have_is_refused(tmp_path: Path) -> None:
    text = json.dumps(crd("example.com", "v1", "v1")).encode()
    ended = await asyncmigrate("rbac", "-f", "-", "gadgets.example.com", home=tmp_path, stdin=text)
    assert (ended.code, ended.out) == (2, "")
    assert "no manifest given has CRD gadgets.example.com" in ended.error
