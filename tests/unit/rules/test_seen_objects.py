"""Objects that were seen at a resource version are known again, and at no other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asyncmigrate._model import ObjectRef
from asyncmigrate._rules.safety.seen_objects import SeenObjects

REFS = st.builds(ObjectRef, st.sampled_from(["", "a", "b"]), st.sampled_from(["w", "x"]), st.integers(1, 9).map(str))


@given(seen=st.lists(REFS), asked=st.lists(REFS), later=st.lists(REFS))
def test_an_object_is_known_just_in_the_state_that_it_was_seen_in(
    seen: list[ObjectRef], asked: list[ObjectRef], later: list[ObjectRef]
) -> None:
    objects = SeenObjects()
    known: set[ObjectRef] = set()
    for batch in (seen, later):
        for ref in batch:
            objects.add(ref)
            known.add(ref)
        for ref in [*asked, *seen]:
            assert (ref in objects) is (ref in known)
