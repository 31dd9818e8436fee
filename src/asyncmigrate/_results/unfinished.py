"""What a run left to do about a CRD, for a later run."""

from __future__ import annotations

import msgspec

from asyncmigrate._model import ObjectRef
from asyncmigrate._results.plan import CRDPlan, SpecID, spec_id


class Unfinished(msgspec.Struct, frozen=True, kw_only=True):
    """A CRD that a run left unfinished; see `Report.unfinished`.

    Attributes:
        name: the CRD's name.
        spec: what identifies the CRD's spec as that run found it.
        objects: the objects that failed, where all others were settled; None where the whole CRD is to be gone over.
    """

    name: str
    spec: SpecID | None = None
    objects: tuple[ObjectRef, ...] | None = None

    def objects_of(self, plan: CRDPlan) -> tuple[ObjectRef, ...] | None:
        """The objects that are left to do; None for all of them, as where the CRD's spec has changed since."""
        return self.objects if plan.live is not None and spec_id(plan.live) == self.spec else None
