"""`plan`: fans CRD lookups out and makes one decision for each."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import anyio
import msgspec
from anyio.abc import TaskGroup

from asyncmigrate._cluster.calls import CRD_PAGE_LIMIT
from asyncmigrate._cluster.cluster import Cluster
from asyncmigrate._cluster.decode.crds import Schemas
from asyncmigrate._engine.comparison import Comparison
from asyncmigrate._engine.droppable import DropCheck
from asyncmigrate._engine.paging import read_pages
from asyncmigrate._engine.preflight import Preflight
from asyncmigrate._engine.session import Session, Tries
from asyncmigrate._engine.tasks import in_thread, open_tasks
from asyncmigrate._manifests.given import Manifests
from asyncmigrate._manifests.reader import Found, Reader, reader_of
from asyncmigrate._model import CRD, CRDPage
from asyncmigrate._options import PlanOptions
from asyncmigrate._results.plan import CRDPlan, Decision, Plan
from asyncmigrate._rules.decisions.decide import absent, decide, failed
from asyncmigrate._rules.decisions.droppable import has_or_had
from asyncmigrate._rules.decisions.rights import LIST_CRDS, advice
from asyncmigrate._rules.decisions.selector import Selector, parse_selector
from asyncmigrate._rules.errors.classify import Action, Health, Operation, health_of
from asyncmigrate._rules.flow.retry_schedule import RetryPolicy
from asyncmigrate.errors import ConfigError, ForbiddenError, ManifestError, MigrateError, UnauthorizedError, UsageError
from asyncmigrate.events import CRDDecided, ManifestsRead, Observer, PlanFinished

_DEFAULTS = PlanOptions()


async def plan(
    cluster: Cluster,
    *,
    manifests: Manifests | None = None,
    recursive: bool = False,
    names: Iterable[str] | str = (),
    selector: str = "",
    allow_pruning: bool = False,
    clean_only: bool = False,
    ignore_not_found: bool = False,
    drop: str | None = None,
    counts_within: float | None = _DEFAULTS.counts_within,
    max_in_flight: int = _DEFAULTS.max_in_flight,
    retry_policy: RetryPolicy = _DEFAULTS.retry_policy,
    webhook_policy: RetryPolicy = _DEFAULTS.webhook_policy,
    observers: Iterable[Observer] | Observer = (),
) -> Plan:
    """Decide for each CRD whether its objects must be migrated, and whether they can be. Nothing is written.

    With `manifests` this is the question before an upgrade: the CRDs that they hold are looked up while they are still
    being read. Without, it is the question after one, or on any day: about the live CRDs named or selected, or all.

    Args:
        cluster: an open cluster.
        manifests: one or several of: a file, folder or http(s) URL, `-` for standard input, a text, an open file, a
            dict, a CRD object of kubernetes, kubernetes_asyncio or kr8s. YAML or JSON, several documents and List
            objects welcome, other kinds left aside. A str is a text where it has several lines or begins with `{`.
        recursive: read folders' subfolders too.
        names: a CRD's name (`widgets.example.com`) or several; with manifests, only these of them. Without, one that is
            not on the cluster is a failed CRD of the plan: its name is wrong.
        selector: a label selector on CRDs; on the manifests' own labels where there are any.
        allow_pruning: migrate even where the storage version's schema lacks fields that objects in older versions may
            have; such a CRD is blocked otherwise, for a rewrite removes these fields for good.
        clean_only: plan for `run` to move managedFields to the storage version where storedVersions are fine; a CRD
            with stale storedVersions is blocked.
        ignore_not_found: a name that is not on the cluster is a new CRD, not a failed one.
        drop: a version, such as v1alpha1: say of each CRD that has it, or whose storedVersions name it, whether it can
            be dropped, as `droppable` does.
        counts_within: how many seconds to wait for the number of objects of each stale CRD and for its conversion
            webhook, once all CRDs are looked up and our rights are known. What has not answered by then is in the plan
            as `unanswered`, and `run` finds out by itself. 0 does not ask at all; None, the default, waits until each
            has answered or has had 5 s.
        max_in_flight: requests under way at once, 32 by default.
        retry_policy: how long to try a lookup again whose error can get better; NotFound never is.
        webhook_policy: the same where a webhook does not answer.
        observers: called with each event; one function, or several.

    Raises:
        ManifestError: a manifest cannot be read, or there is no CRD in any of them.
        UsageError: the selector does not parse, a name is not a CRD's, a manifest is none of the above, an observer is
            async, or the cluster was closed meanwhile.
        UnreachableError: nothing answers at the cluster's address.
        UnauthorizedError: the cluster does not know us.
        ConfigError: credentials that had to be renewed cannot be.
        APIError: the live CRDs cannot be listed.
    """
    options = PlanOptions(
        allow_pruning=allow_pruning,
        clean_only=clean_only,
        ignore_not_found=ignore_not_found,
        drop=drop,
        counts_within=counts_within,
        max_in_flight=max_in_flight,
        retry_policy=retry_policy,
        webhook_policy=webhook_policy,
    )
    session = Session(cluster, options, observers=observers)
    wanted = crd_names(names)
    if wanted and selector:
        raise UsageError("names and a selector exclude each other")
    reader = None if manifests is None else reader_of(manifests, recursive=recursive)
    async with cluster.in_use("plan"), session.pool.crew(), open_tasks() as tasks:
        planner = _Planner(session, options, tasks, wanted, parse_selector(selector))
        if reader is not None:
            await planner.from_manifests(reader)
        elif wanted:
            for name in wanted:
                planner.look_up(name)
        else:
            await planner.from_live(selector)
        await planner.until_looked_up()
    result = planner.result()
    session.emit(PlanFinished(result))
    return result


def crd_names(names: Iterable[str] | str) -> frozenset[str]:
    """One name or several, each that of a CRD.

    Raises:
        UsageError: one is not.
    """
    if not isinstance(names, Iterable):
        raise UsageError(f"names is {names!r}: give a CRD's name or several")
    found = [names] if isinstance(names, str) else list(names)
    for name in found:
        if not isinstance(name, str) or "." not in name or "/" in name:
            raise UsageError(f"{name!r} is no CRD's name: write <plural>.<group>, such as widgets.example.com")
    return frozenset(found)


class _Planner:
    def __init__(
        self, session: Session, options: PlanOptions, tasks: TaskGroup, names: frozenset[str], selector: Selector
    ) -> None:
        self._session = session
        self._tasks = tasks  # of what takes several requests
        self._names = names
        self._selector = selector
        self._decide_live = partial(decide, allow_pruning=options.allow_pruning, clean_only=options.clean_only)
        self._absent = partial(decide, live=None) if options.ignore_not_found else absent
        self._comparison = Comparison()
        self._lane = session.pool.lane(windowed=False)
        self._preflight = Preflight(session, within=options.counts_within)
        self._drop = options.drop
        self._drop_check = DropCheck(session)
        self._manifests: dict[str, Found] = {}
        self._decided: dict[str, CRDPlan] = {}
        self._pending = 0
        self._none_pending = anyio.Event()

    async def from_manifests(self, reader: Reader) -> None:
        """Start a lookup for each CRD as soon as it has been read; reading happens in a thread."""
        while batch := await in_thread(reader.next_batch):
            for found in batch:
                if self._is_wanted(found.crd) and self._is_first(found):
                    self.look_up(found.crd.name)
        self._check_complete(reader)
        self._session.emit(ManifestsRead(len(self._manifests)))

    def _is_wanted(self, crd: CRD) -> bool:
        return (not self._names or crd.name in self._names) and self._selector.matches(crd.labels)

    def _is_first(self, found: Found) -> bool:
        before = self._manifests.setdefault(found.crd.name, found)
        if before is found:
            return True
        if before.crd.versions != found.crd.versions:
            raise ManifestError(
                f"CRD {found.crd.name} is in {before.source} too, with other versions", source=found.source
            )
        return False

    def _check_complete(self, reader: Reader) -> None:
        reader.check_any()
        if missing := sorted(self._names - self._manifests.keys()):
            raise UsageError(f"no manifest given has CRD {missing[0]}")

    async def from_live(self, selector: str) -> None:
        """Decide from the pages of live CRDs; no further lookup is needed."""
        seen: set[str] = set()  # a list that begins anew has them all again

        async def ask(token: str, limit: int) -> CRDPage:
            return await self._session.calls.list_crds(selector=selector, token=token, limit=limit)

        def take(page: CRDPage) -> None:
            for crd in page.items:
                if crd.name not in seen:
                    seen.add(crd.name)
                    self._decide(self._decide_live(crd.name, crd))

        session, lane, doing = self._session, self._lane, "list CRDs"
        try:
            await read_pages(session, lane, ask, doing=doing, begin=lambda: None, take=take, limit=CRD_PAGE_LIMIT)
        except ForbiddenError as error:
            raise ForbiddenError(error.status, doing=error.doing, advice=advice([LIST_CRDS])) from error

    def look_up(self, name: str) -> None:
        """Have one CRD looked up; of the thousands that there may be none needs a task of its own."""
        self._pending += 1
        self._session.pool.add(self._lane, partial(self._look_up, name, None))

    async def until_looked_up(self) -> None:
        while self._pending:
            self._none_pending = anyio.Event()
            await self._none_pending.wait()
        self._preflight.hurry()

    async def _look_up(self, name: str, tries: Tries | None) -> Health:
        """Try once; NotFound is an answer, at once. Only what holds for every CRD is raised."""
        began = anyio.current_time()
        found = self._manifests.get(name)
        try:
            if found is None:
                live, schemas = await self._session.calls.get_crd(name), None
            else:
                live, schemas = await self._session.calls.get_crd_and_schemas(name)
        except MigrateError as error:
            action = self._session.classify(Operation.LOOK_UP, error)
            if action is Action.NEW:
                self._looked_up(decide(name, None, found.crd) if found else self._absent(name))
            else:
                self._failed_try(name, tries or Tries(began), action, error)
            return health_of(error)
        if found is None or schemas is None:
            self._looked_up(self._decide_live(name, live))
        else:
            self._looked_up(await self._compare(live, schemas, found))
        return Health.GOOD

    async def _compare(self, live: CRD, schemas: Schemas, found: Found) -> CRDPlan:
        """Decide about a CRD that is on the cluster and in a manifest, whose schemas are read only now."""
        change = await in_thread(partial(self._comparison.compare, live, schemas, found))
        return self._decide_live(live.name, live, change.manifest, prunes=change.prunes, requires=change.requires)

    def _failed_try(self, name: str, tries: Tries, action: Action, error: MigrateError) -> None:
        session = self._session
        job = partial(self._look_up, name, tries)
        doing = f"get CRD {name}"
        if action is Action.RETRY and session.again_later(doing, self._lane, job, tries, error, crd=name):
            return
        if isinstance(error, UnauthorizedError | ConfigError) or not session.calls.contacted:
            raise error
        self._looked_up(failed(name, error))

    def _looked_up(self, decision: CRDPlan) -> None:
        self._decide(decision)
        self._pending -= 1
        if not self._pending:
            self._none_pending.set()

    def _decide(self, decision: CRDPlan) -> None:
        if decision.decision is Decision.STALE or self._is_to_drop(decision.live):
            self._tasks.start_soon(self._look_closer, decision)
        else:
            self._note(decision)

    def _is_to_drop(self, live: CRD | None) -> bool:
        return self._drop is not None and live is not None and has_or_had(live, self._drop)

    async def _look_closer(self, decision: CRDPlan) -> None:
        if decision.decision is Decision.STALE:
            decision = await self._preflight.look(decision)
        if decision.live is not None and self._is_to_drop(decision.live):
            found = await self._drop_check.look(decision.live, self._drop)
            decision = msgspec.structs.replace(decision, droppable=found)
        self._note(decision)

    def _note(self, decision: CRDPlan) -> None:
        self._decided[decision.name] = decision
        self._session.emit(CRDDecided(decision))

    def result(self) -> Plan:
        session = self._session
        return Plan(
            context=session.cluster.context,
            server=session.cluster.server,
            seconds=session.seconds,
            crds=tuple(self._decided[name] for name in sorted(self._decided)),
            requests=session.calls.requests,
            retries=session.retries,
        )
