"""Which managedFields are to be moved to the storage version, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmigrate._model import CRD, ManagedFieldsEntry, ObjectRef, Version
from asyncmigrate._rules.safety.field_sets import Fields
from asyncmigrate._rules.safety.managed_fields import LeftEntry, MovedEntries, Views, are_due, moved, versions_to_read
from tests.unit.rules.test_field_sets import SETS, Path, members, written

GROUP = "example.com"
NEW, OLD, GONE = f"{GROUP}/v2", f"{GROUP}/v1", f"{GROUP}/v0"


def crd(*, webhook: bool = False, serves: bool = True) -> CRD:
    versions = (Version("v1", served=serves), Version("v2", storage=True))
    return CRD(
        name=f"widgets.{GROUP}", group=GROUP, plural="widgets", kind="Widget", versions=versions, webhook=webhook
    )


def entry(
    api_version: str, fields: Fields | None = None, manager: str = "m", operation: str = "Update", **more: str
) -> ManagedFieldsEntry:
    data = msgspec.Raw(msgspec.json.encode({"f:spec": {"f:size": {}}} if fields is None else fields))
    return ManagedFieldsEntry(
        manager=manager,
        operation=operation,
        api_version=api_version,
        fields_type="FieldsV1",
        fields_v1=data,
        **{"time": "2026-01-01T00:00:00Z"} | more,
    )


def fields_of(found: ManagedFieldsEntry) -> Fields:
    return msgspec.json.decode(found.fields_v1, type=Fields)


def ref(*entries: ManagedFieldsEntry) -> ObjectRef:
    return ObjectRef("default", "w", "7", written_as="x" if entries else "", uid="u", entries=entries)


@pytest.mark.parametrize(
    ("entries", "webhook", "keep", "robs", "due"),
    [
        ((), False, False, True, False),
        ((entry(NEW),), True, False, True, False),
        ((entry(NEW), entry(OLD)), False, False, False, True),
        ((entry(OLD),), False, True, False, False),
        ((entry(OLD),), False, True, True, False),  # an empty patch converts it, and keeps it
        ((entry(OLD),), True, True, True, True),  # its webhook may be gone by then
        ((entry(GONE),), False, True, True, True),
        ((entry(GONE),), False, True, False, False),
        ((entry("other.com/v1"),), False, True, True, True),
        ((entry("v2"),), False, False, False, True),
    ],
)
def test_entries_in_other_versions_are_due(
    entries: tuple[ManagedFieldsEntry, ...], *, webhook: bool, keep: bool, robs: bool, due: bool
) -> None:
    assert are_due(ref(*entries), crd(webhook=webhook), keep=keep, robs=robs) is due


def test_objects_are_read_only_where_a_webhook_converts_and_only_in_served_versions() -> None:
    some = ref(entry(OLD), entry(NEW), entry(GONE))
    assert versions_to_read(some, crd()) == ()
    assert versions_to_read(some, crd(webhook=True)) == ("v1",)
    assert versions_to_read(some, crd(webhook=True, serves=False)) == ()


@given(SETS, SETS)
def test_entries_of_one_manager_become_one_that_owns_what_they_owned(one: set[Path], other: set[Path]) -> None:
    late = "2026-02-01T00:00:00Z"
    found = moved([entry(OLD, written(one), time=late), entry(NEW, written(other))], crd(), {})
    assert [(e.api_version, e.time) for e in found.entries] == [(NEW, late)]
    assert members(fields_of(found.entries[0])) == one | other
    assert not found.left


MANAGERS = st.sampled_from(["a", "b"])
ENTRIES = st.lists(
    st.builds(
        lambda api, fields, manager, operation, sub, time: entry(
            api, written(fields), manager, operation, subresource=sub, time=time
        ),
        st.sampled_from([NEW, OLD, GONE]),
        SETS,
        MANAGERS,
        st.sampled_from(["Apply", "Update"]),
        st.sampled_from(["", "status", "scale"]),
        st.sampled_from(["", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]),
    ),
    max_size=8,
)


@given(ENTRIES)
def test_whoever_owned_a_field_owns_it_after_the_move_and_nobody_else(entries: list[ManagedFieldsEntry]) -> None:
    def owners(of: Iterable[ManagedFieldsEntry]) -> set[tuple[str, str, str, Path]]:
        return {(e.manager, e.operation, e.subresource, path) for e in of for path in members(fields_of(e))}

    after = moved(entries, crd(), {}).entries
    assert owners(after) == owners(entries)
    assert {e.api_version for e in after} <= {NEW}
    identities = [(e.manager, e.operation, e.subresource) for e in after]
    assert len(set(identities)) == len(identities)  # of two with one identity the server would lose the first
    assert [e.operation for e in after] == sorted(e.operation for e in after)
    assert bool(after) is bool(entries)
    assert moved(after, crd(), {}).entries == after


def test_an_entry_that_is_only_renamed_keeps_its_bytes() -> None:
    odd = msgspec.structs.replace(entry(OLD), fields_v1=msgspec.Raw(b'{"f:spec" : {"f:a":{ }}}'))
    assert bytes(moved([odd], crd(), {}).entries[0].fields_v1) == bytes(odd.fields_v1)


VIEWS: Views = {OLD: {"spec": {"size": 1, "name": "x"}}, NEW: {"spec": {"capacity": 1, "name": "x"}}}


class TestWhereAWebhookConverts:
    def moved(self, *entries: ManagedFieldsEntry) -> MovedEntries:
        return moved(entries, crd(webhook=True), VIEWS)

    def test_update_is_moved_as_far_as_its_fields_are_found(self) -> None:
        fields: Fields = {"f:spec": {".": {}, "f:size": {}, "f:name": {}}}
        found = self.moved(entry(OLD, fields), entry(NEW, {"f:spec": {"f:capacity": {}}}))
        assert [(e.api_version, fields_of(e)) for e in found.entries] == [
            (OLD, {"f:spec": {"f:size": {}}}),
            (NEW, {"f:spec": {".": {}, "f:name": {}, "f:capacity": {}}}),
        ]
        assert found.left == (LeftEntry("m", OLD, ("spec.size",)),)

    def test_apply_is_moved_whole_or_left_whole(self) -> None:
        """The server would lose one of two Apply entries of a manager, whatever their versions."""
        whole = entry(OLD, {"f:spec": {"f:size": {}, "f:name": {}}}, operation="Apply")
        fits = entry(OLD, {"f:spec": {"f:name": {}}}, operation="Apply", manager="other")
        found = self.moved(whole, fits)
        assert {(e.manager, e.api_version) for e in found.entries} == {("m", OLD), ("other", NEW)}
        assert whole in found.entries
        assert found.left == (LeftEntry("m", OLD, ("spec.size",)),)

    def test_entry_of_a_version_that_is_gone_is_moved_with_the_paths_it_has(self) -> None:
        found = self.moved(entry(GONE))
        assert [(e.api_version, fields_of(e)) for e in found.entries] == [(NEW, {"f:spec": {"f:size": {}}})]
        assert not found.left

    def test_entry_of_a_version_that_is_not_served_is_left(self) -> None:
        found = moved([entry(OLD)], crd(webhook=True, serves=False), {NEW: VIEWS[NEW]})
        assert found.entries == (entry(OLD),)
        assert found.left == (LeftEntry("m", OLD),)

    @pytest.mark.parametrize("fields", [b"[]", b'{"f:a":1}', b"{" + b'"f:a":{' * 200_000 + b"}" * 200_001])
    def test_what_cannot_be_read_is_left(self, fields: bytes) -> None:
        strange = msgspec.structs.replace(entry(OLD), fields_v1=msgspec.Raw(fields))
        found = self.moved(strange)
        assert [(e.manager, e.api_version) for e in found.entries] == [("m", OLD)]
        assert found.left


class TestWhereSchemasDiffer:
    apart: ClassVar = {"v1": {"spec": {"items": {"": True}}}}

    def test_what_is_divided_otherwise_is_left_in_its_version(self) -> None:
        fields: Fields = {"f:spec": {"f:a": {}, "f:items": {}}}
        entries = [entry(OLD, fields), entry(OLD, fields, manager="flux", operation="Apply"), entry(GONE, manager="g")]
        found = moved(entries, crd(), {}, self.apart)
        assert {(e.manager, e.api_version, bytes(e.fields_v1)) for e in found.entries} == {
            ("m", NEW, b'{"f:spec":{"f:a":{}}}'),
            ("m", OLD, b'{"f:spec":{"f:items":{}}}'),
            ("flux", OLD, b'{"f:spec":{"f:a":{},"f:items":{}}}'),
            ("g", NEW, b'{"f:spec":{"f:size":{}}}'),
        }
        assert {(e.manager, e.fields) for e in found.left} == {("m", ("spec.items",)), ("flux", ("spec.items",))}

    def test_no_entry_is_divided_if_the_server_would_make_the_oldest_one(self) -> None:
        """Of more than ten of updates it does, in the name of `ancient-changes`."""
        fields: Fields = {"f:spec": {"f:a": {}, "f:items": {}}}
        few, many = ([entry(OLD, fields, manager=f"m{n}") for n in range(count)] for count in (5, 6))
        assert len(moved(few, crd(), {}, self.apart).entries) == 10
        found = moved(many, crd(), {}, self.apart)
        assert (len(found.entries), {e.api_version for e in found.entries}, len(found.left)) == (6, {OLD}, 6)


@pytest.mark.parametrize("fields", [b"[]", b"{" + b'"f:a":{' * 200_000 + b"}" * 200_001])
def test_entries_that_cannot_be_united_are_left_as_they_are(fields: bytes) -> None:
    strange = msgspec.structs.replace(entry(OLD), fields_v1=msgspec.Raw(fields))
    found = moved([strange, entry(NEW)], crd(), {})
    assert found.entries == (strange, entry(NEW))
    assert found.left == (LeftEntry("m", OLD),)
