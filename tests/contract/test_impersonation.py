"""Whom a run acts as: the server goes by the rights of that user, and by nobody else's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from kubernetes_asyncio.client import ApiClient, Configuration

from asyncmigrate import Cluster, Decision, plan, run
from asyncmigrate._cluster.transport import Request
from asyncmigrate.errors import ForbiddenError
from tests.bed.bed import Bed, EmbeddedBed, RealBed
from tests.bed.scenes import crd, obj
from tests.command.runner import asyncmigrate

WHO_AM_I = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
JSON = {"Accept": "application/json", "Content-Type": "application/json"}
CRDS = ("apiextensions.k8s.io", ("customresourcedefinitions",))
EXTRA = {"scopes": ["view", "de velop"], "acme.com/pro%ject": ["a,b"]}


async def who(cluster: Cluster) -> dict[str, Any]:
    """What the server takes a cluster's requests for."""
    async with cluster:
        request = Request("POST", WHO_AM_I, JSON, json.dumps(REVIEW).encode())
        answer = await cluster.opened.transport.send(request, within=10)
    assert answer.status == 201, answer.body
    found: dict[str, Any] = json.loads(answer.body)["status"]["userInfo"]
    return found


def acting(bed: Bed, fields: dict[str, object], user: str = "admin") -> Path:
    """A kubeconfig whose user acts as somebody else."""
    config = json.loads(bed.kubeconfig(user).read_text())
    config["users"][0]["user"] |= fields
    path = bed.folder / "acting"
    path.write_text(json.dumps(config))
    return path


async def stale(bed: Bed) -> str:
    before = crd(bed.group, "v1", "v1", "v2")
    await bed.apply_crd(before)
    await bed.create(before, obj(before, "v1", "w"))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))
    return f"widgets.{bed.group}"


async def test_a_kubeconfig_s_user_groups_uid_and_extra_arrive(bed: Bed) -> None:
    path = acting(bed, {"as": "jane", "as-uid": "u-1", "as-groups": ["devs", "ops"], "as-user-extra": EXTRA})
    found = await who(Cluster.from_kubeconfig(path))
    assert (found["username"], found["uid"]) == ("jane", "u-1")
    assert sorted(found["groups"]) == ["devs", "ops", "system:authenticated"]
    assert found["extra"] == EXTRA


async def test_who_is_said_takes_the_place_of_the_kubeconfig_s_with_its_groups(bed: Bed) -> None:
    path = acting(bed, {"as": "root", "as-uid": "0", "as-groups": ["system:masters"], "as-user-extra": EXTRA})
    found = await who(Cluster.from_kubeconfig(path, as_user="jane"))
    assert (found["username"], found.get("uid"), found.get("extra")) == ("jane", None, None)
    assert found["groups"] == ["system:authenticated"]
    found = await who(Cluster.from_kubeconfig(path, as_groups=["devs"], as_uid="7"))
    assert (found["username"], found["uid"], found["extra"]) == ("root", "7", EXTRA)
    assert sorted(found["groups"]) == ["devs", "system:authenticated"]


async def test_it_has_that_user_s_rights_and_not_the_admin_s(bed: Bed) -> None:
    name = await stale(bed)
    await bed.grant("upgrader", ("get", "list"), *CRDS)
    async with Cluster.from_kubeconfig(acting(bed, {"as": "upgrader"})) as cluster:
        [found] = (await plan(cluster, names=[name])).crds
        assert (found.decision, found.reason) == (Decision.BLOCKED, "RightsMissing")
    for verbs, group, resources in (
        (("patch",), "apiextensions.k8s.io", ("customresourcedefinitions/status",)),
        (("get", "list", "patch"), bed.group, ("widgets",)),
    ):
        await bed.grant("upgrader", verbs, group, resources)
    async with Cluster.from_kubeconfig(acting(bed, {"as": "upgrader"})) as cluster:
        report = await run(cluster, await plan(cluster, names=[name]), settle=0)
    assert report.ok
    assert await bed.stored_versions(name) == ["v2"]


async def test_who_may_not_act_as_somebody_is_told(bed: Bed) -> None:
    async with Cluster.from_kubeconfig(acting(bed, {"as": "admin"}, "nobody")) as cluster:
        with pytest.raises(ForbiddenError, match='User "nobody" cannot impersonate'):
            await plan(cluster)


async def test_groups_alone_are_an_error_and_not_ignored(bed: Bed) -> None:
    answer = await bed.http.post(WHO_AM_I, json=REVIEW, headers={"Impersonate-Group": "devs"})
    assert answer.status_code in {400, 500}  # since 1.36, and before
    assert "without impersonating a user" in answer.text


async def test_system_masters_has_all_rights(bed: Bed) -> None:
    async with Cluster.from_kubeconfig(bed.kubeconfig(), as_user="jane", as_groups=["system:masters"]) as cluster:
        await plan(cluster)
    async with Cluster.from_kubeconfig(bed.kubeconfig(), as_user="jane") as cluster:
        with pytest.raises(ForbiddenError, match='User "jane" cannot list'):
            await plan(cluster)


async def test_the_headers_of_a_callers_httpx_client_arrive(bed: Bed) -> None:
    async with bed.client() as client:
        client.headers["Impersonate-User"] = "jane"
        assert (await who(Cluster.from_httpx(client)))["username"] == "jane"


async def test_the_default_headers_of_a_callers_api_client_arrive(bed: Bed) -> None:
    configuration = Configuration(host=bed.url)
    if isinstance(bed, RealBed):
        configuration.ssl_ca_cert = str(bed.server.ca)
        configuration.disable_strict_ssl_verification = True
    configuration.api_key["BearerToken"] = "Bearer admin-token"
    async with ApiClient(configuration) as client:
        client.set_default_header("Impersonate-User", "jane")
        assert (await who(Cluster.from_api_client(client)))["username"] == "jane"


async def test_a_default_header_that_is_set_later_goes_along_from_then_on(embedded: EmbeddedBed) -> None:
    configuration = Configuration(host=embedded.url)
    configuration.api_key["BearerToken"] = "Bearer admin-token"
    async with ApiClient(configuration) as client, Cluster.from_api_client(client) as cluster:
        await plan(cluster)
        client.set_default_header("Impersonate-User", "upgrader")
        with pytest.raises(ForbiddenError):
            await plan(cluster)
    assert [seen.user for seen in embedded.server.requests] == ["admin", "upgrader"]


async def test_the_flags_of_the_command_arrive(bed: Bed) -> None:
    name = await stale(bed)
    args = ("plan", name, "--kubeconfig", bed.kubeconfig())
    ended = await asyncmigrate(*args, "--as", "jane", home=bed.folder)
    assert ended.code == 4
    assert 'User "jane" cannot get' in ended.out.replace("\n", " ")
    ended = await asyncmigrate(
        *args, "--as", "jane", "--as-group", "devs", "--as-group", "system:masters", home=bed.folder
    )
    assert ended.code == 0
    ended = await asyncmigrate(*args, "--as-group", "system:masters", home=bed.folder)
    assert ended.code == 4
    assert "no user to act as" in ended.error


async def test_the_embedded_server_tells_who_asked_for_whom(embedded: Bed) -> None:
    async with httpx.AsyncClient(base_url=embedded.url, headers={"Authorization": "Bearer admin-token"}) as http:
        await http.get("/api", headers={"Impersonate-User": "upgrader"})
    seen = embedded.server.requests[-1]  # type: ignore[attr-defined]  # it is the embedded one
    assert (seen.user, seen.by) == ("upgrader", "admin")
