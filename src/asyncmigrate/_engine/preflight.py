"""What can be known of a stale CRD before the first write: our rights, how much waits, whether its webhook answers."""

from __future__ import annotations

import math

import anyio
import msgspec

from asyncmigrate._engine.pool import Lane
from asyncmigrate._engine.session import Session
from asyncmigrate._model import CRD, ObjectRef, Page, Resource, Right
from asyncmigrate._results.plan import CRDPlan, Decision
from asyncmigrate._rules.decisions.rights import EVERYTHING, READ_CRDS, TRIM_CRDS, advice, needed, rules_for
from asyncmigrate._rules.decisions.versions import access_version
from asyncmigrate._rules.errors.classify import Operation, is_webhook_down
from asyncmigrate._rules.flow.retry_schedule import BRIEF_SECONDS
from asyncmigrate.errors import APIError, MigrateError


class Preflight:
    """Looks at stale CRDs. What it cannot find out holds nothing up: the run itself will tell.

    Rights decide before the first write. The rest is for a person who reads the plan: they wait for it `within` so many
    seconds (see PlanOptions.counts_within).
    """

    def __init__(self, session: Session, *, within: float | None) -> None:
        self._session = session
        self._lane = session.pool.lane(windowed=False)
        self._within = math.inf if within is None else within
        self._hurries = False
        self._counting: set[anyio.CancelScope] = set()
        self._asking = anyio.Lock()
        self._everywhere: dict[Right, bool] | None = None

    async def look(self, plan: CRDPlan) -> CRDPlan:
        """The plan of a stale CRD with what was found out: blocked where rights are missing."""
        crd = plan.live
        version = access_version(crd) if crd else None
        if crd is None or version is None:
            return plan
        rights = needed(crd.name, trims=not plan.only_cleans)
        if missing := [right for right in rights if not await self._may(right)]:
            return msgspec.structs.replace(
                plan,
                decision=Decision.BLOCKED,
                reason="RightsMissing",
                message=f"rights are missing: {advice(missing)}",
                missing=rules_for(missing),
            )
        return await self._count_in_time(plan, crd, version) if self._within else plan

    def hurry(self) -> None:
        """All CRDs are looked up: from now on counts are waited for only so long."""
        self._hurries = True
        for scope in self._counting:
            scope.deadline = anyio.current_time() + self._within

    async def _count_in_time(self, plan: CRDPlan, crd: CRD, version: str) -> CRDPlan:
        with anyio.CancelScope() as scope:
            if self._hurries:
                scope.deadline = anyio.current_time() + self._within
            self._counting.add(scope)
            try:
                return await self._count(plan, crd, version)
            finally:
                self._counting.remove(scope)
        return msgspec.structs.replace(plan, unanswered=True)

    async def _count(self, plan: CRDPlan, crd: CRD, version: str) -> CRDPlan:
        """How many objects wait, and whether a webhook converts the first of them."""
        # A lane for each CRD: one whose webhook hangs takes its share of the requests in flight, and no more.
        lane = self._session.pool.lane(windowed=False)
        try:
            page = await self._first_object(lane, crd, version)
        except MigrateError as error:
            return _with_webhook_error(plan, _webhook_error(error) if crd.webhook else "")
        waiting = len(page.items) + (page.remaining or 0) if page.remaining or not page.continue_token else None
        plan = msgspec.structs.replace(plan, waiting=waiting)
        if crd.webhook and page.items:
            return _with_webhook_error(plan, await self._rehearse(lane, crd.resource(version), page.items[0]))
        return plan

    async def _may(self, right: Right) -> bool:
        """Ask about all CRDs once, about the one that is named where that is refused; a failed review is no answer."""
        async with self._asking:
            if self._everywhere is None:
                self._everywhere = {EVERYTHING: await self._review(EVERYTHING)}
                if not self._everywhere[EVERYTHING]:
                    self._everywhere |= {r: await self._review(r) for r in (READ_CRDS, TRIM_CRDS)}
        if self._everywhere[EVERYTHING] or self._everywhere.get(msgspec.structs.replace(right, name="")):
            return True
        return await self._review(right)

    async def _review(self, right: Right) -> bool:
        try:
            return await self._session.ask(
                Operation.LOOK_UP,
                self._lane,
                lambda: self._session.calls.review(right, within=BRIEF_SECONDS),
                doing="review our rights",
                policy=self._session.policies.brief,
            )
        except MigrateError:
            return True

    async def _first_object(self, lane: Lane, crd: CRD, version: str) -> Page:
        async def ask() -> Page:
            current = crd.storage_api_version
            return await self._session.calls.list_page(
                crd.resource(version), current=current, limit=1, within=BRIEF_SECONDS
            )

        return await self._session.ask(
            Operation.LIST,
            lane,
            ask,
            doing=f"count {crd.name}",
            crd=crd.name,
            policy=self._session.policies.brief,
        )

    async def _rehearse(self, lane: Lane, resource: Resource, ref: ObjectRef) -> str:
        """Rewrite one object in a dry run, which has it converted: empty where the webhook answers."""

        async def ask() -> str:
            return await self._session.calls.rewrite(resource, ref, dry_run=True, within=BRIEF_SECONDS)

        try:
            await self._session.pool.call(lane, ask)
        except MigrateError as error:
            return _webhook_error(error)
        return ""


def _webhook_error(error: MigrateError) -> str:
    """The error in words where it may be the webhook's; empty where the server itself says no."""
    if isinstance(error, APIError):
        return error.status.message if is_webhook_down(error) else ""
    return str(error)


def _with_webhook_error(plan: CRDPlan, error: str) -> CRDPlan:
    if not error:
        return plan
    message = f"{plan.message}; its conversion webhook does not answer now: {error}"
    return msgspec.structs.replace(plan, message=message, webhook_error=error)
