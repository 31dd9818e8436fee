"""The version that objects are reached through."""

from __future__ import annotations

import pytest

from asyncmigrate import CRD, Version
from asyncmigrate._rules.decisions.versions import access_version, rewrite_version
from tests.unit.rules.cases import crd


def test_objects_are_reached_through_the_storage_version_or_its_like() -> None:
    assert access_version(crd("v2", "v1", "v2")) == "v2"
    assert access_version(crd("v2", "v1", "-v2", alike=("v1", "v2"))) == "v1"
    assert access_version(crd("v2", "v1", "-v2", alike=("v2",))) is None  # another schema, or a webhook
    assert access_version(crd("v2", "-v1", "-v2", alike=("v1", "v2"))) is None


@pytest.mark.parametrize(
    ("written_as", "version"),
    [
        ("example.com/v1", "v1"),  # where its managedFields are, the server has nothing to convert
        ("example.com/v2", "v2"),
        ("example.com/v0", "v2"),  # not served: as everything else
        ("example.com/v3", "v2"),  # its schema would let pass what the storage version's does not
        ("elsewhere.com/v1", "v2"),
        ("v1", "v2"),
        ("", "v2"),
    ],
)
def test_an_object_is_rewritten_through_the_version_that_it_was_written_in(written_as: str, version: str) -> None:
    versions = (Version("v0", served=False), Version("v1"), Version("v2", storage=True), Version("v3"))
    alike = ("v0", "v1", "v2")
    crd = CRD(name="w.example.com", group="example.com", plural="w", kind="W", versions=versions, alike=alike)
    assert rewrite_version(crd, written_as) == version
