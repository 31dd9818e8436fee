"""Fixtures: the embedded server, the real one (started once a session), and one face for both."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.bed import real
from tests.bed.bed import Bed, EmbeddedBed, RealBed, open_embedded, open_real

# A suite that a shell script started in its background ignores SIGINT, and so would all that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def has_real_server() -> None:
    """Skip where there are no binaries; under CI that is a failure."""
    if real.binaries() is None:
        if os.environ.get("CI"):
            pytest.fail(
                "no kube-apiserver and etcd, and under CI the real thing may not be skipped: run `make testbed`"
            )
        pytest.skip("no kube-apiserver and etcd: run `make testbed` (needs Go), or set KUBEBUILDER_ASSETS")


@pytest.fixture(scope="session")
def real_server(has_real_server: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.RealServer]:
    del has_real_server
    with real.start(tmp_path_factory.mktemp("real")) as server:
        yield server


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.real)])
async def bed(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bed]:
    """Both servers, one after the other: what is claimed about Kubernetes must hold on both."""
    if request.param == "embedded":
        async with open_embedded(tmp_path) as embedded_bed:
            yield embedded_bed
    else:
        async with open_real(request.getfixturevalue("real_server"), tmp_path) as real_bed:
            yield real_bed


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[EmbeddedBed]:
    async with open_embedded(tmp_path) as found:
        yield found


@pytest.fixture
async def real_bed(real_server: real.RealServer, tmp_path: Path) -> AsyncIterator[RealBed]:
    async with open_real(real_server, tmp_path) as found:
        yield found
