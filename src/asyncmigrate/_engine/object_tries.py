"""What is known of one object beyond its list, and of the tries that did not settle it."""

from __future__ import annotations

from asyncmigrate._engine.session import Tries
from asyncmigrate._model import ObjectRef
from asyncmigrate.events import Settled


class ObjectTries(Tries, kw_only=True):
    """Made where there is something to know: most objects settle at the first try."""

    known: Settled | None = None  # it is in the storage version, and only its managedFields are to be moved
    tried: bool = False
    conflicts: int = 0
    refused: bool = False  # as one that is another by now, or that is invalid
    straight: bool = False  # go through the storage version, whatever the object was written in
    looked: bool = False  # a GET found it, after a 404
    changed: bool = False  # it is not as it was known: look at it before the next write
    now: ObjectRef | None = None  # as such a look found it
    plain: bool = False  # leave its managedFields as they are
