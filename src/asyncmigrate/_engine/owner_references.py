"""Looks in every resource of a cluster for objects that name objects of a CRD as their owners, version by version."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from asyncmigrate._cluster import discovery_calls
from asyncmigrate._cluster.decode.uses import APIResource, OwnedPage
from asyncmigrate._cluster.discovery_calls import GroupVersion
from asyncmigrate._engine.paging import not_checked, read_pages
from asyncmigrate._engine.pool import Lane
from asyncmigrate._engine.session import Session
from asyncmigrate._engine.tasks import open_tasks
from asyncmigrate._model import CRD
from asyncmigrate._results.droppable import NotChecked, OwnedObjects
from asyncmigrate._rules.errors.classify import Operation
from asyncmigrate.errors import BadAnswerError, MigrateError

T = TypeVar("T")

# Events are many and have no owners; component statuses are no objects.
_WITHOUT_OWNERS = frozenset({("", "events"), ("events.k8s.io", "events"), ("", "componentstatuses")})

_MOST_VERSIONS = 1000  # an owner reference may name any version


class OwnerSearch:
    """One search for all versions of a CRD; `found` has them, in memory that does not grow with the objects."""

    def __init__(self, session: Session, crd: CRD, lane: Lane) -> None:
        self._session = session
        self._crd = crd
        self._lane = lane
        self._found: dict[str, dict[str, OwnedObjects]] = {}  # by resource, and by version
        self.not_checked: list[NotChecked] = []

    @property
    def versions(self) -> set[str]:
        """The versions that owner references name."""
        return {version for by in self._found.values() for version in by}

    def found(self, version: str) -> tuple[OwnedObjects, ...]:
        """The resources with objects that name the CRD's kind in a version."""
        return tuple(by[version] for _, by in sorted(self._found.items()) if version in by)

    async def run(self) -> None:
        resources = await self._discover()
        async with open_tasks() as tasks:
            for resource in resources:
                tasks.start_soon(self._search, resource)

    async def _discover(self) -> tuple[APIResource, ...]:
        """Each resource that can be listed once, in the version that its group prefers, or else in its first."""
        calls = self._session.calls
        core = await self._ask(lambda: discovery_calls.core_versions(calls), "the core API")
        groups = await self._ask(lambda: discovery_calls.group_versions(calls), "the API groups")
        group_versions = (*(core or ()), *(groups or ()))
        offered: dict[GroupVersion, tuple[APIResource, ...]] = {}

        async def one(group_version: GroupVersion) -> None:
            what = "/".join(part for part in group_version if part)
            found = await self._ask(lambda: discovery_calls.listed_resources(calls, group_version), what)
            offered[group_version] = found or ()

        async with open_tasks() as tasks:
            for group_version in group_versions:
                tasks.start_soon(one, group_version)
        # In discovery's order, in which the preferred version of a group comes first.
        resources: dict[tuple[str, str], APIResource] = {}
        for group_version in group_versions:
            for resource in offered[group_version]:
                resources.setdefault((resource.group, resource.plural), resource)
        return tuple(r for key, r in resources.items() if key not in _WITHOUT_OWNERS)

    async def _ask(self, call: Callable[[], Awaitable[T]], what: str) -> T | None:
        session = self._session
        policy = session.policies.brief
        try:
            return await session.ask(Operation.LOOK_UP, self._lane, call, doing=f"discover {what}", policy=policy)
        except MigrateError as error:
            self.not_checked.append(not_checked(what, error, refusal=True))
            return None

    async def _search(self, resource: APIResource) -> None:
        session, crd = self._session, self._crd
        owner = (crd.group, crd.kind)
        found: dict[str, OwnedObjects] = {}

        async def ask(token: str, limit: int) -> OwnedPage:
            return await discovery_calls.owned_page(session.calls, resource, owner, token=token, limit=limit)

        def take(page: OwnedPage) -> None:
            for version, objects in page.objects.items():
                if version not in found and len(found) >= _MOST_VERSIONS:
                    raise BadAnswerError(f"owner references name more than {_MOST_VERSIONS} versions of {crd.name}")
                before = found.get(version)
                found[version] = OwnedObjects(
                    resource=resource.named,
                    objects=objects + (before.objects if before else 0),
                    example=before.example if before else page.examples[version],
                )

        try:
            doing = f"list {resource.named}"
            await read_pages(session, self._lane, ask, doing=doing, begin=found.clear, take=take)
        except MigrateError as error:
            self.not_checked.append(not_checked(resource.named, error, refusal=True))
        self._found[resource.named] = found
