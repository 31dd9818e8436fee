"""Which cluster, and as whom: the command's flags, and names that are nowhere."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import anyio
import pytest
from aiohttp import web

from tests.bed.bed import EmbeddedBed
from tests.bed.scenes import crd
from tests.command.runner import asyncmigrate

SECRET = "p%40ssw0rd"  # noqa: S105 -- to be looked for where it must not be


FLAGS = ["--as", "--as-group", "--as-uid", "--user", "--cluster", "--server", "--token", "--context"]


@pytest.mark.parametrize("flag", FLAGS)
async def test_an_empty_flag_is_exit_2_and_not_ignored(embedded: EmbeddedBed, flag: str) -> None:
    ended = await asyncmigrate("plan", "--kubeconfig", embedded.kubeconfig(), flag, "", home=embedded.folder)
    assert ended.code == 2
    assert flag in ended.error
    assert "it is empty" in ended.error
    assert embedded.server.requests == []


@pytest.mark.parametrize("value", [" ", "\t", "jane "])
async def test_whom_to_act_as_is_not_blank(embedded: EmbeddedBed, value: str) -> None:
    """HTTP takes blanks off, and of a name that is blank nothing is left: the request would be the admin's own."""
    ended = await asyncmigrate("plan", "--kubeconfig", embedded.kubeconfig(), "--as", value, home=embedded.folder)
    assert ended.code in {2, 4}
    config = embedded.server.kubeconfig()
    config["users"][0]["user"]["as"] = value
    path = embedded.folder / "config"
    path.write_text(json.dumps(config))
    ended = await asyncmigrate("plan", "--kubeconfig", path, home=embedded.folder)
    assert ended.code == 4
    assert "Impersonate-User is blank, or has blanks around it" in ended.error
    assert embedded.server.requests == []


async def test_whom_to_act_as_may_be_an_environment_variable(embedded: EmbeddedBed) -> None:
    args = ("plan", "--kubeconfig", embedded.kubeconfig())
    ended = await asyncmigrate(*args, home=embedded.folder, env={"ASYNCMIGRATE_AS": "nobody"})
    assert ended.code == 4
    assert {seen.user for seen in embedded.server.requests} == {"nobody"}


@pytest.mark.parametrize("name", ["AS", "AS_GROUP", "AS_UID", "TOKEN", "CONTEXT", "KUBECONFIG", "SERVER", "USER"])
@pytest.mark.parametrize("value", ["", " "])
async def test_an_empty_variable_is_exit_2_and_not_ignored(embedded: EmbeddedBed, name: str, value: str) -> None:
    env = {"KUBECONFIG": str(embedded.kubeconfig()), f"ASYNCMIGRATE_{name}": value}
    ended = await asyncmigrate("run", "-y", home=embedded.folder, env=env)
    assert ended.code == 2
    assert f"ASYNCMIGRATE_{name} is empty" in ended.err
    assert embedded.server.requests == []


@pytest.mark.parametrize("args", [("-n", "default"), ("--namespace=default",)])
async def test_a_namespace_is_refused(embedded: EmbeddedBed, args: tuple[str, ...]) -> None:
    ended = await asyncmigrate("run", "-y", *args, "--kubeconfig", embedded.kubeconfig(), home=embedded.folder)
    assert ended.code == 2
    assert "a CRD is migrated in all namespaces, or not at all" in ended.error
    assert "--namespace" not in (await asyncmigrate("run", "--help", home=embedded.folder)).out


async def test_user_cluster_server_and_token_take_the_place_of_the_kubeconfig_s(embedded: EmbeddedBed) -> None:
    config = embedded.server.kubeconfig("bad-token")
    config["clusters"][0]["cluster"]["server"] = "http://127.0.0.1:1"
    config["clusters"].append({"name": "good", "cluster": {"server": embedded.url}})
    config["users"].append({"name": "good", "user": {"token": "admin-token"}})
    path = embedded.folder / "config"
    path.write_text(json.dumps(config))
    for args in (
        ("--user", "good", "--cluster", "good"),
        ("--user", "good", "--server", embedded.url),
        ("--cluster", "good", "--token", "admin-token"),
        ("-s", embedded.url, "--token", "admin-token"),
    ):
        ended = await asyncmigrate("plan", "--kubeconfig", path, *args, home=embedded.folder)
        assert ended.code == 0, ended.err
    ended = await asyncmigrate("plan", "-s", embedded.url, "--token", "admin-token", home=embedded.folder)
    assert ended.code == 0, ended.err  # without any kubeconfig


@pytest.mark.parametrize("output", ["table", "json"])
async def test_a_name_that_is_nowhere_is_exit_1(embedded: EmbeddedBed, output: str) -> None:
    embedded.server.apply_crd(crd(embedded.group, "v1", "v1"))
    names = (f"widgets.{embedded.group}", f"wigdets.{embedded.group}")
    args = (*names, "-o", output, "--kubeconfig", embedded.kubeconfig())
    for command in (("plan",), ("plan", "--check"), ("run", "-y")):
        ended = await asyncmigrate(*command, *args, home=embedded.folder)
        assert ended.code == 1
        if output == "json":
            assert [(c["decision"], c["reason"]) for c in ended.json["crds"]] == [
                ("current", "StoredAsStorageVersion"),
                ("failed", "NotFound"),
            ]


async def test_a_crd_that_is_gone_since_the_report_is_nothing_to_retry(embedded: EmbeddedBed) -> None:
    path = embedded.folder / "report.json"
    gone = {"name": f"widgets.{embedded.group}", "decision": "stale", "outcome": "failed", "reason": "x", "message": ""}
    objects = {"listed": 0, "proven": 0, "rewritten": 0, "unchanged": 0, "gone": 0, "failed": 0}
    path.write_text(
        json.dumps({"apiVersion": "asyncmigrate/v1", "kind": "Report", "crds": [gone | {"objects": objects}]})
    )
    args = ("run", "-y", "--retry-failed", path, "-o", "json", "--kubeconfig", embedded.kubeconfig())
    ended = await asyncmigrate(*args, home=embedded.folder)
    assert ended.code == 0, ended.err
    [found] = ended.json["crds"]
    assert (found["outcome"], found["message"]) == ("skipped", "it is no longer on the cluster: nothing is left to do")


@pytest.fixture
async def elsewhere() -> AsyncIterator[str]:
    """What stands at a wrong address: a page to sign in on."""

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith("/redirects"):
            return web.Response(status=302, headers={"Location": "https://login.example.com/?rd=x"})
        return web.Response(text="<!DOCTYPE html>\n<html><title>Sign in</title></html>", content_type="text/html")

    runner = web.ServerRunner(web.Server(serve, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.parametrize(
    ("path", "words"), [("", "with a page of HTML (Sign in)"), ("/redirects", "to https://login.example.com/, which")]
)
async def test_a_server_that_is_none_is_named_at_once(
    embedded: EmbeddedBed, elsewhere: str, path: str, words: str
) -> None:
    manifest = embedded.folder / "next.json"
    manifest.write_text(json.dumps(crd(embedded.group, "v1", "v1")))
    for args in (("plan",), ("plan", "-f", manifest), ("run", "-y", "a.b.c"), ("droppable", "a.b.c")):
        with anyio.fail_after(10):
            ended = await asyncmigrate(*args, "--server", elsewhere + path, home=embedded.folder)
        assert ended.code == 4
        assert f"{elsewhere}{path}/apis/apiextensions.k8s.io/v1/customresourcedefinitions" in ended.error
        assert words in ended.error


@pytest.mark.parametrize("scheme", ["", "http://", "socks5://"])
async def test_the_password_of_a_proxy_is_in_no_output(embedded: EmbeddedBed, scheme: str) -> None:
    env = {"HTTP_PROXY": f"{scheme}user:{SECRET}@127.0.0.1:1", "NO_PROXY": "10.0.0.0/8"}
    args = ("-vv", "-o", "json", "--server", "http://api.example.com", "--token", "t")
    ended = await asyncmigrate("plan", *args, home=embedded.folder, env=env)
    assert ended.code == 4
    assert "http://api.example.com cannot be reached" in ended.error
    assert not any(word in ended.out + ended.err for word in ("p%40ss", "p@ss", "user:"))
