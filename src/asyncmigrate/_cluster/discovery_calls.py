"""Calls that look for what uses a version of a CRD: discovery, owner references, admission rules.

Each is one request, over the `Calls` of a session.
"""

from __future__ import annotations

from asyncmigrate._cluster.calls import Calls, page_query
from asyncmigrate._cluster.decode import uses
from asyncmigrate._cluster.decode.uses import APIResource, HookPage, OwnedPage

# An aggregated API that is no generic API server may only know how to give whole objects.
_MANY_OBJECTS = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json;q=0.5"

GroupVersion = tuple[str, str]


async def core_versions(calls: Calls) -> tuple[GroupVersion, ...]:
    """The versions of the core group, which has no name."""
    return uses.core_versions(await calls.get("/api", "discover the core API"))


async def group_versions(calls: Calls) -> tuple[GroupVersion, ...]:
    """All other groups and their versions, the preferred version of each group first."""
    return uses.group_versions(await calls.get("/apis", "discover the API groups"))


async def listed_resources(calls: Calls, group_version: GroupVersion) -> tuple[APIResource, ...]:
    """The resources of one group version that can be listed."""
    group, version = group_version
    path = f"/apis/{group}/{version}" if group else f"/api/{version}"
    return uses.listed_resources(await calls.get(path, f"discover {group}/{version}"), group, version)


async def owned_page(
    calls: Calls, resource: APIResource, owner: tuple[str, str], *, token: str, limit: int
) -> OwnedPage:
    """List metadata: a page, counted by the versions in which objects name `owner`, a group and a kind, as theirs."""
    target = f"{resource.path}?{page_query(limit=limit, token=token)}"
    body = await calls.get(target, f"list {resource.named}", accept=_MANY_OBJECTS)
    return uses.owned_page(body, *owner)


async def hook_page(calls: Calls, resource: APIResource, kind: str, *, token: str, limit: int) -> HookPage:
    """List webhook configurations, admission policies or bindings: a page."""
    target = f"{resource.path}?{page_query(limit=limit, token=token)}"
    return uses.hook_page(await calls.get(target, f"list {resource.plural}"), kind)
