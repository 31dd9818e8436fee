"""Schedules. `tests/contract/test_manifests.py` asks a real API server about the same ones."""

from __future__ import annotations

import pytest

from asyncmigrate._rules.decisions.cron import check_schedule
from asyncmigrate.errors import UsageError

GOOD = (
    "30 2 * * 6",
    "*/15 0-6,22-23 1 jan-MAR mon,fri",
    "0 0 ? * ?",
    "5/10 * * * *",
    "0  0 *   * 0",
    "59 23 31 12 6",
    "1,,2 * * * *",
    "@daily",
    "@every 1h30m",
    "@every 1.5h",
)
BAD = (
    "",
    "* * * *",
    "* * * * * *",
    "60 * * * *",
    "* 24 * * *",
    "* * 0 * *",
    "* * 32 * *",
    "* * * 13 *",
    "* * * * 7",
    "30-10 * * * *",
    "*/0 * * * *",
    "a * * * *",
    "* * * * mon-sun",
    "1-2-3 * * * *",
    "-1 * * * *",
    "@fortnightly",
    "@reboot",
    "@every",
    "@every day",
    "TZ=UTC 0 0 * * *",
    "CRON_TZ=UTC 0 0 * * *",
)


@pytest.mark.parametrize("schedule", GOOD)
def test_a_schedule_is_taken(schedule: str) -> None:
    check_schedule(schedule)


@pytest.mark.parametrize("schedule", BAD)
def test_what_is_none_is_refused_in_one_line(schedule: str) -> None:
    with pytest.raises(UsageError, match="write five fields, such as '30 2") as raised:
        check_schedule(schedule)
    assert "\n" not in str(raised.value)


def test_a_field_of_commas_is_refused_for_such_a_job_would_never_run() -> None:
    with pytest.raises(UsageError, match="',' is no hour"):
        check_schedule("0 , * * *")


def test_the_field_is_named() -> None:
    with pytest.raises(UsageError, match=r"'7' is no day of week \(0 to 6\)"):
        check_schedule("0 0 * * 7")
