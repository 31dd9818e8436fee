"""An admission webhook that denies some objects for some time, with codes that mean something else elsewhere."""

from __future__ import annotations

import random
from typing import Any

from asyncmigrate import CRDReport, Outcome
from tests.bed.admission import AdmissionWebhook, Answer
from tests.bed.scenes import Manifest


def _status(code: int, reason: str, **details: Any) -> Manifest:  # noqa: ANN401
    found = {"status": "Failure", "code": code, "reason": reason, "message": "says the webhook"}
    return found | ({"details": details} if details else {})


def _statuses(crd: Manifest, name: str) -> list[Manifest]:
    group, plural = crd["spec"]["group"], crd["spec"]["names"]["plural"]
    return [
        _status(401, "Unauthorized"),
        _status(404, "NotFound", group=group, kind=plural, name=name),
        _status(404, "NotFound", kind="secrets", name=name),
        _status(404, "NotFound"),
        _status(409, "Conflict"),
        _status(429, "TooManyRequests", retryAfterSeconds=1),
        _status(500, "InternalError"),
    ]


class Denials:
    """Denies each of some objects a few times, and then lets it through."""

    def __init__(self, webhook: AdmissionWebhook, crd: Manifest, names: list[str], draw: random.Random) -> None:
        self._webhook = webhook
        self._times = {name: draw.randint(1, 6) for name in names}
        self._answers: dict[str, Answer] = {
            name: webhook.answer(name, deny=draw.choice(_statuses(crd, name)), times=times)
            for name, times in self._times.items()
        }

    @property
    def count(self) -> int:
        """Requests denied so far."""
        return sum(times - (self._answers[name].times or 0) for name, times in self._times.items())

    def asked(self) -> dict[str, int]:
        """How often the webhook was asked about each."""
        return {name: len(self._webhook.asked(name)) for name in self._times}

    def problems(self, before: dict[str, int], found: CRDReport) -> list[str]:
        """What is wrong in the report of a run that began when the webhook had been asked `before`."""
        now = self.asked()
        # Its last answer in this run was a denial.
        denied = {name for name, asked in now.items() if before[name] < asked <= self._times[name]}
        if denied and found.outcome is Outcome.MIGRATED:
            return [f"{', '.join(sorted(denied))} denied, and the CRD counts as migrated"]
        if found.reason != "ObjectsFailed":
            return []  # it was stopped before it was done, and what failed may be tried again
        named = {failure.name for failure in found.failures}
        return [f"{name} was denied, and is not named" for name in sorted(denied - named)]
