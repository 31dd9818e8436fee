"""How the work on one CRD ends, and the exception that carries it up from wherever it ended."""

from __future__ import annotations

import msgspec

from asyncmigrate._model import CRD
from asyncmigrate._results.report import Outcome
from asyncmigrate._rules.errors.classify import is_refusal
from asyncmigrate._rules.safety.spec_changes import SpecChange
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

    def __init__(self, result: CRDResult) -> None:
        self.result = result


class SpecChanged(Stopped):
    """The CRD is not as it was: what is to be done is decided anew, from `fresh`."""

    def __init__(self, change: SpecChange, fresh: CRD | None) -> None:
        super().__init__(CRDResult(Outcome.INCOMPLETE, change.reason, change.message))
        self.change = change
        self.fresh = fresh


def failed(reason: str, error: MigrateError, *, message: str = "") -> CRDResult:
    """The result that an error which concerns the whole CRD leaves."""
    return CRDResult(Outcome.FAILED, reason, message or str(error), refused=is_refusal(error))
