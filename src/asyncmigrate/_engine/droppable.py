"""`droppable`: looks for everything that still uses an old version of a CRD. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import msgspec

from asyncmigrate._cluster.cluster import Cluster
from asyncmigrate._engine.admission_hooks import AdmissionHooks
from asyncmigrate._engine.entry_count import EntryCount
from asyncmigrate._engine.owner_references import OwnerSearch
from asyncmigrate._engine.paging import not_checked
from asyncmigrate._engine.session import Session
from asyncmigrate._engine.tasks import in_thread, open_tasks
from asyncmigrate._manifests.given import Manifests, sources_of
from asyncmigrate._manifests.uses import Uses, find_uses
from asyncmigrate._model import CRD
from asyncmigrate._options import Options
from asyncmigrate._results.droppable import Droppable, NotChecked, VersionUse
from asyncmigrate._rules.decisions.admission_rules import admission_uses, param_versions
from asyncmigrate._rules.decisions.drop_reasons import VersionFacts
from asyncmigrate._rules.decisions.droppable import has_or_had, storage_version_use, version_uses, versions_to_drop
from asyncmigrate._rules.errors.classify import Operation
from asyncmigrate._rules.flow.retry_schedule import RetryPolicy
from asyncmigrate.errors import MigrateError, UsageError
from asyncmigrate.events import Observer

_DEFAULTS = Options()


async def droppable(
    cluster: Cluster,
    name: str,
    *,
    version: str | None = None,
    owners: bool = False,
    manifests: Manifests | None = None,
    recursive: bool = False,
    max_in_flight: int = _DEFAULTS.max_in_flight,
    retry_policy: RetryPolicy = _DEFAULTS.retry_policy,
    observers: Iterable[Observer] | Observer = (),
) -> Droppable:
    """Say which old versions of a CRD can be dropped from its `spec.versions`, and what still uses the others.

    What is looked at: `status.storedVersions`, the managedFields of all objects, what webhooks and admission policies
    apply to, and where asked for the owner references of all objects in the cluster and manifests. What cannot be
    looked at prevents a yes. Nothing is written.

    Args:
        cluster: an open cluster.
        name: the CRD's name, `widgets.example.com`.
        version: only this version; None for all but the storage version, and for those that the CRD no longer has and
            something is still in. The verdicts about several hold if all that can be dropped are dropped together.
        owners: look for owner references, too: that lists the metadata of every object in the cluster.
        manifests: what to look for objects in: one or several of the sources that `plan` takes.
        recursive: read folders' subfolders too.
        max_in_flight: requests in flight at once, 32 by default.
        retry_policy: how long to try a request again whose error can get better.
        observers: called with each event.

    Raises:
        NotFoundError: there is no such CRD on the cluster.
        UsageError: the CRD does not have the version, and nothing that was looked at names it; or the name is not a
            CRD's.
        ManifestError: a manifest cannot be read, or there is nothing of Kubernetes in it.
        MigrateError: the cluster cannot be reached or refuses us.
    """
    if "." not in name or "/" in name:
        raise UsageError(f"{name!r} is no CRD's name: write <plural>.<group>, such as widgets.example.com")
    sources = None if manifests is None else sources_of(manifests)
    session = Session(cluster, Options(max_in_flight=max_in_flight, retry_policy=retry_policy), observers=observers)
    async with cluster.in_use("droppable"), session.pool.crew():
        lane = session.pool.lane(windowed=False)
        doing = f"get CRD {name}"
        crd = await session.ask(Operation.LOOK_UP, lane, lambda: session.calls.get_crd(name), doing=doing, crd=name)
        uses = None
        if sources is not None:
            search = partial(find_uses, sources, crd.group, crd.kind, recursive=recursive)
            uses = await in_thread(search)
        found = await DropCheck(session, owners=owners).look(crd, version, uses)
        if version is not None and not has_or_had(crd, version) and found.droppable:
            has = ", ".join(v.name for v in crd.versions)
            raise UsageError(f"CRD {name} has no version {version} (it has {has}), and nothing is in it")
    return msgspec.structs.replace(
        found,
        context=cluster.context,
        server=cluster.server,
        seconds=session.seconds,
        requests=session.calls.requests,
        retries=session.retries,
    )


class DropCheck:
    """Looks at CRDs, one or several at once; what is the same for all is read once."""

    def __init__(self, session: Session, *, owners: bool = False) -> None:
        self._session = session
        self._owners = owners
        self._lane = session.pool.lane(windowed=False)
        self._hooks = AdmissionHooks(session, self._lane)

    async def look(self, crd: CRD, version: str | None = None, uses: Uses | None = None) -> Droppable:
        """Look at one version of a CRD, or at all but its storage version; `uses` is what manifests have of it."""
        if version == crd.storage_version:
            return self._result(crd, (storage_version_use(crd),), None)
        entries = EntryCount(self._session, crd)
        owners = OwnerSearch(self._session, crd, self._lane) if self._owners else None
        async with open_tasks() as tasks:
            tasks.start_soon(entries.run)
            if owners is not None:
                tasks.start_soon(owners.run)
            hooks = await self._hooks.read()
        changed, missing = await self._look_again(crd)
        missing += (*entries.not_checked, *self._hooks.not_checked, *(owners.not_checked if owners else ()))
        used = {*entries.versions, *param_versions(hooks, crd)}
        if owners is not None:
            used |= owners.versions
        if uses is not None:
            missing += uses.not_checked
            used |= uses.objects.keys()

        def facts_of(version: str, going: frozenset[str]) -> VersionFacts:
            facts = msgspec.structs.replace(
                entries.facts(version),
                owners=owners.found(version) if owners else None,
                admission=admission_uses(hooks, crd, version, going),
                not_checked=missing,
                changed=changed,
                now=self._session.calls.clock.now,
                going=going,
            )
            return facts if uses is None else _with_uses(facts, uses)

        versions = (version,) if version is not None else versions_to_drop(crd, used)
        verdicts = version_uses(partial(facts_of, v) for v in versions)
        return self._result(crd, verdicts, entries.objects)

    def _result(self, crd: CRD, versions: tuple[VersionUse, ...], objects: int | None) -> Droppable:
        return Droppable(
            name=crd.name,
            storage_version=crd.storage_version or "",
            stored_versions=crd.stored_versions,
            versions=versions,
            objects=objects,
            now=self._session.calls.clock.now,
        )

    async def _look_again(self, crd: CRD) -> tuple[bool, tuple[NotChecked, ...]]:
        """Tell whether the CRD has changed since."""
        calls, doing = self._session.calls, f"get CRD {crd.name}"
        try:
            glance = await self._session.ask(
                Operation.LOOK_UP, self._lane, lambda: calls.glance(crd.name), doing=doing, crd=crd.name
            )
        except MigrateError as error:
            return False, (not_checked(crd.name, error),)
        return (glance.uid, glance.resource_version) != (crd.uid, crd.resource_version), ()


def _with_uses(facts: VersionFacts, uses: Uses) -> VersionFacts:
    version = facts.version
    return msgspec.structs.replace(
        facts, manifests=uses.objects.get(version, ()), mentions=uses.mentions.get(version, ())
    )
