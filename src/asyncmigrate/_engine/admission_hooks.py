"""Reads what webhooks, admission policies and their bindings apply to: once for all CRDs that are looked at."""

from __future__ import annotations

from functools import partial

import anyio

from asyncmigrate._cluster import discovery_calls
from asyncmigrate._cluster.decode.uses import APIResource, HookPage
from asyncmigrate._engine.paging import not_checked, read_pages
from asyncmigrate._engine.pool import Lane
from asyncmigrate._engine.session import Session
from asyncmigrate._engine.tasks import open_tasks
from asyncmigrate._results.droppable import NotChecked
from asyncmigrate._rules.decisions.admission_rules import AdmissionHook
from asyncmigrate._rules.errors.classify import Operation
from asyncmigrate.errors import MigrateError, NotFoundError

_GROUP = "admissionregistration.k8s.io"
_VERSIONS = ("v1", "v1beta1")  # each kind is read in the first that has it
_ALWAYS = "validatingwebhookconfigurations"
_KINDS = {
    "validatingwebhookconfigurations": "ValidatingWebhookConfiguration",
    "mutatingwebhookconfigurations": "MutatingWebhookConfiguration",
    "validatingadmissionpolicies": "ValidatingAdmissionPolicy",
    "validatingadmissionpolicybindings": "ValidatingAdmissionPolicyBinding",
    "mutatingadmissionpolicies": "MutatingAdmissionPolicy",
    "mutatingadmissionpolicybindings": "MutatingAdmissionPolicyBinding",
}


class AdmissionHooks:
    """All of a cluster, read when they are first asked for; what the server does not have needs no right to read."""

    def __init__(self, session: Session, lane: Lane) -> None:
        self._session = session
        self._lane = lane
        self._reading = anyio.Lock()
        self._found: dict[str, list[AdmissionHook]] | None = None
        self.not_checked: list[NotChecked] = []

    async def read(self) -> tuple[AdmissionHook, ...]:
        async with self._reading:
            if self._found is None:
                resources = await self._offered()
                found: dict[str, list[AdmissionHook]] = {plural: [] for plural in resources}
                async with open_tasks() as tasks:
                    for plural, resource in resources.items():
                        tasks.start_soon(self._read, resource, found[plural])
                self._found = found
        return tuple(hook for plural in _KINDS for hook in self._found.get(plural, ()))

    async def _offered(self) -> dict[str, APIResource]:
        """What the server has of these kinds."""
        session, found = self._session, dict[str, APIResource]()
        for version in _VERSIONS:
            group_version = (_GROUP, version)
            ask = partial(discovery_calls.listed_resources, session.calls, group_version)
            what = "/".join(group_version)
            try:
                resources = await session.ask(Operation.LOOK_UP, self._lane, ask, doing=f"discover {what}")
            except NotFoundError:
                continue
            except MigrateError as error:
                self.not_checked.append(not_checked(what, error))
                continue
            for resource in resources:
                if resource.plural in _KINDS:
                    found.setdefault(resource.plural, resource)
        if _ALWAYS not in found and not self.not_checked:
            # Every Kubernetes has it: the answer is that of a proxy which lets some paths pass.
            message = f"the server says that it has no {_ALWAYS}"
            self.not_checked.append(NotChecked(what=_GROUP, reason="NotFound", message=message))
        return found

    async def _read(self, resource: APIResource, found: list[AdmissionHook]) -> None:
        session, kind = self._session, _KINDS[resource.plural]

        async def ask(token: str, limit: int) -> HookPage:
            return await discovery_calls.hook_page(session.calls, resource, kind, token=token, limit=limit)

        def take(page: HookPage) -> None:
            found.extend(page.items)

        try:
            doing = f"list {resource.plural}"
            await read_pages(session, self._lane, ask, doing=doing, begin=found.clear, take=take)
        except MigrateError as error:
            self.not_checked.append(not_checked(resource.plural, error))
