"""What ten clusters take more than one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.measure import take

from tests.bed.processes import Server
from tests.command.runner import command

MOST = 20.0  # MB


@pytest.fixture
def ten_clusters(tmp_path: Path) -> Iterator[Path]:
    log = tmp_path / "log"
    server = Server([sys.executable, "-m", "tests.bed.fleet_process", str(tmp_path)], log)
    try:
        server.wait_until(lambda: "ready" in log.read_text(), seconds=120)
        yield tmp_path / "kubeconfig"
    finally:
        server.stop()


def peak(*args: str | Path) -> float:
    """MB that the command takes at most."""
    return take(command("run", "-y", "-q", "--no-state", "--rewrite-all", *args)).peak


@pytest.mark.timeout(300)
def test_ten_clusters_take_little_more_than_one(ten_clusters: Path) -> None:
    one = peak("--context", "c-0", "--kubeconfig", ten_clusters)
    ten = peak("--all-contexts", "--max-clusters", "10", "--kubeconfig", ten_clusters)
    sys.stdout.write(f"one {one:.1f} MB, ten {ten:.1f} MB\n")
    assert 0 < one < ten < one + MOST
