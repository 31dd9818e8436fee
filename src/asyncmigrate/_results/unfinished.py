"""What a run left to do about a CRD, for a later run."""

from __future__ import annotations

import msgspec

from asyncmigrate._results.plan import SpecID


class Progress(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """From where on every newer object of a CRD is known to be in the storage version.

    Attributes:
        cluster: the uid of the namespace kube-system, `@`, and the server's address; that alone where the uid could not
            be read.
        resource_version: of the list that the rewriting began with.
        move_age: how many seconds ago the storage version had moved by then, at least.
    """

    cluster: str
    resource_version: str
    move_age: float


class Unfinished(msgspec.Struct, frozen=True, kw_only=True):
    """A CRD that a run left unfinished; see `Report.unfinished`.

    A later run lists all its objects again, and rewrites those that are not known to be done. It goes by the list and
    not by the names that failed: the cluster may have been restored from a backup meanwhile.

    Attributes:
        name: the CRD's name.
        spec: what identifies the CRD's spec as that run found it.
        progress: from where on newer objects are done; None where that is not known.
    """

    name: str
    spec: SpecID | None = None
    progress: Progress | None = None
