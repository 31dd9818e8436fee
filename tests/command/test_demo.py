"""The demo does what it shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command.runner import asyncmigrate


@pytest.mark.timeout(120)
async def test_the_demo_ends_with_what_waiting_would_have_cost(tmp_path: Path) -> None:
    ended = await asyncmigrate("demo", home=tmp_path)
    assert ended.code == 0
    assert "344 new CRDs answered NotFound at once" in ended.out
    assert "would have cost 1 h 13 min" in ended.out
    assert "policies.demo.example.com" in ended.out
    assert "spec.owner must name an existing team" in ended.err
    assert "348 skipped, 10 migrated, 1 incomplete" in ended.err
