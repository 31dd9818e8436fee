"""Compares the schemas of a manifest with those of the live CRD: a second read, only of CRDs on the cluster."""

from __future__ import annotations

from threading import Lock

import msgspec

from asyncmigrate._cluster.decode.crds import Schemas
from asyncmigrate._manifests.reader import Found
from asyncmigrate._manifests.schemas import SchemaReader
from asyncmigrate._model import CRD
from asyncmigrate._rules.safety.nulls import removed_paths
from asyncmigrate._rules.safety.pruning import newly_required


class SchemaChange(msgspec.Struct, frozen=True):
    """What the schemas of a manifest change.

    Attributes:
        manifest: the manifest's CRD, and whether its versions have the same schema.
        prunes: fields that live objects may have and that the manifest's schemas lack.
        requires: fields that the manifest's storage version requires, and the live one does not.
    """

    manifest: CRD
    prunes: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()


class Comparison:
    """Blocking, so call it from a thread; one comparison at a time, for each holds a CRD's schemas."""

    def __init__(self) -> None:
        self._reader = SchemaReader()
        self._comparing = Lock()

    def compare(self, live: CRD, schemas: Schemas, found: Found) -> SchemaChange:
        """Compare what objects are stored in now, the live storage version, with what the manifest makes of it.

        Raises:
            ManifestError: the manifest cannot be read a second time.
        """
        with self._comparing:
            wanted = self._reader.read(found)
            was = schemas.get(live.storage_version or "")
            now = wanted.get(found.crd.storage_version or "")
            # The server prunes by the schema of the version that an object is stored in when it reads it, and by that
            # of the storage version when it writes it (apiextensions-apiserver .../customresource_handler.go).
            targets = [wanted[v] for v in (live.storage_version,) if v in wanted] + [now] * (not found.crd.webhook)
            prunes = [path for target in targets for path in removed_paths(was, target)]
            same = all(schema == now for schema in wanted.values())
            return SchemaChange(
                manifest=msgspec.structs.replace(found.crd, same_schemas=same),
                prunes=tuple(dict.fromkeys(prunes)),
                requires=newly_required(was, now),
            )
