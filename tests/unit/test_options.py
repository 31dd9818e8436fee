"""Each option of the library has a flag with the same default, and README's table has each flag of the command."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import click
import pytest

from asyncmigrate import run
from asyncmigrate._cli.main import main
from asyncmigrate._cli.options import Duration
from asyncmigrate._options import PlanOptions, RunOptions
from asyncmigrate._rules.decisions.selector import parse_selector
from asyncmigrate.errors import UsageError

README = (Path(__file__).parents[2] / "README.md").read_text()
LIBRARY_ONLY = {"retry_policy"}
FLAGS = {"webhook_policy": "webhook_wait", "record_events": "events"}  # where the command has a simpler one
COMMAND = main.commands["run"]
PARAMS = {p.name: p for p in COMMAND.params}


@pytest.mark.parametrize("field", sorted(set(RunOptions.__struct_fields__) - LIBRARY_ONLY))
def test_each_option_has_a_flag(field: str) -> None:
    assert FLAGS.get(field, field) in PARAMS


@pytest.mark.parametrize("field", ["max_in_flight", "settle", "proof_margin", "rewrite_all", "skip_blocked", "rate"])
def test_the_command_and_the_library_have_the_same_defaults(field: str) -> None:
    default = getattr(RunOptions(), field)
    assert inspect.signature(run).parameters[field].default == default
    shown = PARAMS[field].default  # click has a value of its own for none
    value = Duration().convert(shown, None, None) if isinstance(shown, str) else shown
    assert (value if isinstance(value, int | float) and value else None) == (default or None)


def test_readme_names_each_flag_of_run() -> None:
    flags = {o for p in COMMAND.params if isinstance(p, click.Option) for o in p.opts if o.startswith("--")}
    flags -= {"--help", "--filename", "--recursive", "--selector", "--output", "--verbose", "--yes"}  # by their letters
    assert {f for f in flags if not re.search(rf"`[^`]*{f}\b", README)} == set()


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_in_flight": 0},
        {"max_in_flight": "3"},
        {"max_in_flight": 2.5},
        {"max_in_flight": True},
        {"max_in_flight": None},
        {"settle": -1.0},
        {"settle": "5s"},
        {"settle": float("nan")},
        {"proof_margin": -1.0},
        {"proof_margin": None},
        {"rate": 0.0},
        {"rate": "3"},
        {"dry_run": "false"},
        {"skip_blocked": 0},
        {"record_events": "yes"},
        {"retry_policy": None},
        {"webhook_policy": 5},
    ],
    ids=lambda w: next(iter(w)),
)
def test_a_value_that_makes_no_sense_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        RunOptions(**wrong)


@pytest.mark.parametrize("wrong", [{"counts_within": "5"}, {"counts_within": -1}, {"drop": 1}, {"allow_pruning": "no"}])
def test_so_is_one_of_a_plan(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        PlanOptions(**wrong)


@pytest.mark.parametrize("wrong", [None, {"app": "web"}, 5])
def test_a_selector_that_is_no_text_is_refused(wrong: Any) -> None:  # noqa: ANN401 -- anything
    with pytest.raises(UsageError, match=r"selector is .*: give a text"):
        parse_selector(wrong)
