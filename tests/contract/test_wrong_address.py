"""A 404 that names no CRD comes from a wrong address: nothing is called new or deleted because of it."""

from __future__ import annotations

import json

import httpx
import pytest

from asyncmigrate import Cluster, Decision, Outcome, RetryPolicy, plan, run
from asyncmigrate.errors import WrongAddressError
from tests.bed.bed import Bed
from tests.bed.scenes import crd, obj
from tests.command.runner import Ended, asyncmigrate

QUICK = RetryPolicy(first_wait=0.01, max_wait=0.05, max_seconds=0.5)
WRONG_PATH = "/k8s/clusters/c-none"  # as of a cluster that a management server does not have


async def command(bed: Bed, *args: str) -> Ended:
    config = json.loads(bed.kubeconfig().read_text())
    config["clusters"][0]["cluster"]["server"] += WRONG_PATH
    path = bed.folder / "wrong-path"
    path.write_text(json.dumps(config))
    return await asyncmigrate(*args, "--kubeconfig", path, home=bed.folder)


async def test_a_wrong_path_ends_with_4_and_says_which(bed: Bed) -> None:
    manifest = bed.folder / "next.json"
    manifest.write_text(json.dumps(crd(bed.group, "v1", "v1")))
    for args in (["plan", "-f", str(manifest)], ["plan"], ["run", "-y", f"widgets.{bed.group}"]):
        ended = await command(bed, *args)
        assert ended.code == 4, ended.out
        assert f"{bed.url}{WRONG_PATH}/apis/apiextensions.k8s.io/v1/customresourcedefinitions" in ended.error
        assert "404 page not found" in ended.error


async def test_a_crd_that_is_not_there_is_new_at_once(bed: Bed) -> None:
    manifest = bed.folder / "next.json"
    manifest.write_text(json.dumps(crd(bed.group, "v1", "v1")))
    async with bed.cluster() as cluster:
        made = await plan(cluster, manifests=[manifest])
    assert (made.crds[0].decision, made.requests) == (Decision.NEW, 1)


@pytest.mark.parametrize("text", ["404 page not found\n", "<html>default backend - 404</html>"])
async def test_a_plain_404_at_the_last_look_deletes_no_crd(bed: Bed, text: str) -> None:
    before = crd(bed.group, "v1", "v1", "v2")
    await bed.apply_crd(before)
    await bed.create(before, obj(before, "v1", "w"))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))
    name = f"widgets.{bed.group}"
    looks = 0

    async def misroute(response: httpx.Response) -> None:
        nonlocal looks
        if response.request.method == "GET" and response.request.url.path.endswith(f"/{name}"):
            looks += 1
            if looks > 1:
                await response.aread()
                response.status_code, response._content = 404, text.encode()  # noqa: SLF001 -- as an ingress does

    async with bed.client(event_hooks={"response": [misroute]}) as client, Cluster.from_httpx(client) as cluster:
        made = await plan(cluster, names=[name])
        report = await run(cluster, made, settle=0, retry_policy=QUICK)
    [found] = report.crds
    assert (found.outcome, found.reason, found.refused) == (Outcome.FAILED, "LookupFailed", True)
    assert text.split(" - ", maxsplit=1)[0].removeprefix("<html>").strip() in found.message
    assert await bed.stored_versions(name) == ["v1", "v2"]


async def test_a_wrong_address_is_an_error_of_its_own(bed: Bed) -> None:
    async with bed.client() as client:
        client.base_url = httpx.URL(bed.url + WRONG_PATH)
        async with Cluster.from_httpx(client) as cluster:
            with pytest.raises(WrongAddressError):
                await plan(cluster, names=[f"widgets.{bed.group}"], retry_policy=QUICK)
