"""Scenes that several unit tests begin with."""

from __future__ import annotations

import pytest

from tests.bed.bed import EmbeddedBed
from tests.bed.scenes import crd, obj


@pytest.fixture
def stale(embedded: EmbeddedBed) -> EmbeddedBed:
    """An embedded server with one stale CRD, widgets.example.com, of three objects, moved an hour ago."""
    before = crd("example.com", "v1", "v1", "v2")
    embedded.server.apply_crd(before)
    for number in range(3):
        embedded.server.create(obj(before, "v1", f"w-{number}"))
    embedded.server.apply_crd(crd("example.com", "v2", "v1", "v2"))
    embedded.server.advance(3600)
    return embedded
