"""Errors go through pickle and copy, as process pools and task queues have them do."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from asyncmigrate import FleetReport, Plan, Report, Status, errors
from asyncmigrate.errors import APIError, BlockedError, FleetError, IncompleteError, ManifestError, MigrateError

PLAN = Plan(context="c", server="s", seconds=1, crds=(), requests=0, retries=0)
REPORT = Report(context="c", server="s", seconds=1, crds=(), requests=0, retries=0)
FLEET = FleetReport(clusters=(), code=1, seconds=1)
STATUS = Status(code=429, reason="TooManyRequests", message="later", retry_after=2.5)


def made(kind: type[MigrateError]) -> MigrateError:
    if issubclass(kind, APIError):
        return kind(STATUS, doing="list CRDs")
    if kind is ManifestError:
        return ManifestError("broken", source="a.yaml", document=2)
    if kind is BlockedError:
        return BlockedError("blocked", plan=PLAN)
    if kind is IncompleteError:
        return IncompleteError("incomplete", report=REPORT)
    if kind is FleetError:
        return FleetError("not done", report=FLEET)
    return kind("what was wrong")


KINDS = [getattr(errors, name) for name in errors.__all__]
WAYS: list[Callable[[MigrateError], MigrateError]] = [copy.copy, copy.deepcopy]
WAYS += [lambda e, p=p: pickle.loads(pickle.dumps(e, p)) for p in range(2, pickle.HIGHEST_PROTOCOL + 1)]  # type: ignore[misc]  # noqa: S301


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_an_error_survives(kind: type[MigrateError], way: Callable[[MigrateError], MigrateError]) -> None:
    error = made(kind)
    error.add_note("after 3 tries")
    again = way(error)
    assert type(again) is kind
    assert (str(again), again.args, vars(again)) == (str(error), error.args, vars(error))
    assert again.__notes__ == ["after 3 tries"]


def test_a_subclass_of_an_embedder_survives() -> None:
    again = pickle.loads(pickle.dumps(TheirError(7)))  # noqa: S301 -- our own
    assert (type(again), again.number, str(again)) == (TheirError, 7, "number 7")


class TheirError(MigrateError):
    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(f"number {number}")
