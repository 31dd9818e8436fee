"""An application with an httpx client of its own, tested without a server: respx answers for the API server."""

from __future__ import annotations

import anyio
import httpx
import respx

from asyncmigrate import Cluster, plan

ABSENT = {
    "kind": "Status",
    "apiVersion": "v1",
    "status": "Failure",
    "reason": "NotFound",
    "code": 404,
    "message": 'customresourcedefinitions.apiextensions.k8s.io "widgets.example.com" not found',
    "details": {"name": "widgets.example.com", "group": "apiextensions.k8s.io", "kind": "customresourcedefinitions"},
}


async def is_absent(client: httpx.AsyncClient, name: str) -> bool:
    """Tell whether the cluster does not have a CRD."""
    async with Cluster.from_httpx(client) as cluster:
        found = await plan(cluster, names=name)
    return [crd.reason for crd in found.crds] == ["NotFound"]


@respx.mock(base_url="https://api.example.com")
def test_a_crd_that_is_not_there_is_absent(respx_mock: respx.MockRouter) -> None:
    """One request, no wait."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com"
    route = respx_mock.get(path).respond(404, json=ABSENT)

    async def ask() -> bool:
        async with httpx.AsyncClient(base_url="https://api.example.com") as client:
            return await is_absent(client, "widgets.example.com")

    assert anyio.run(ask)
    assert route.call_count == 1
