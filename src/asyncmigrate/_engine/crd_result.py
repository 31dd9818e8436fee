"""How the work on one CRD ends, and the exception that carries it up from wherever it ended."""

from __future__ import annotations

import msgspec

from asyncmigrate._results.report import Outcome
from asyncmigrate._rules.errors.classify import is_refusal
from asyncmigrate.errors import MigrateError

NOT_SERVED = "NotServed"  # a 404 that speaks of no object: a fresh look at the CRD says what it means


class CRDResult(msgspec.Struct, frozen=True):
    """How one CRD ended."""

    outcome: Outcome
    reason: str
    message: str
    refused: bool = False


class Stopped(Exception):  # noqa: N818 -- control flow inside the engine, not an error that anyone sees
    """The CRD's migration cannot go on."""

    def __init__(self, verdict: CRDResult) -> None:
        self.verdict = verdict


def failed(reason: str, error: MigrateError, *, message: str = "") -> CRDResult:
    """The verdict that an error which concerns the whole CRD leaves."""
    return CRDResult(Outcome.FAILED, reason, message or str(error), refused=is_refusal(error))
