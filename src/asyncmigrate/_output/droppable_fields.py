"""A Droppable in the JSON contract: the same fields by itself and in a plan."""

from __future__ import annotations

from typing import Any

import msgspec

from asyncmigrate._model import Writer
from asyncmigrate._results.droppable import AdmissionUse, Droppable, ManifestMention, VersionUse
from asyncmigrate._rules.safety.stamps import seconds_of


def droppable_fields(found: Droppable) -> dict[str, Any]:
    """What was found about one CRD."""
    return {
        "name": found.name,
        "droppable": found.droppable,
        "storageVersion": found.storage_version,
        "storedVersions": found.stored_versions,
        "objects": found.objects,
        "versions": [_version(v, found.now) for v in found.versions],
        "now": found.now,
    }


def _version(use: VersionUse, now: float | None) -> dict[str, Any]:
    return {
        "version": use.version,
        "droppable": use.droppable,
        "inCRD": use.in_crd,
        "served": use.served,
        "inStoredVersions": use.in_stored_versions,
        "objects": use.objects,
        "example": use.example or None,
        "writers": [_writer(w, now) for w in use.writers],
        "ownerReferences": use.owners,
        "admission": [_admission(a) for a in use.admission],
        "manifests": use.manifests,
        "mentions": None if use.mentions is None else [_mention(m) for m in use.mentions],
        "notChecked": use.not_checked,
        "reasons": use.reasons,
        "notes": use.notes,
    }


def _writer(writer: Writer, now: float | None) -> dict[str, Any]:
    at = seconds_of(writer.newest)
    # By the server's clock; negative where the time lies in the future.
    ago = None if at is None or now is None else round(now - at)
    fields: dict[str, Any] = msgspec.to_builtins(writer)
    return fields | {"newest": writer.newest or None, "secondsAgo": ago}


def _admission(use: AdmissionUse) -> dict[str, Any]:
    return {
        "kind": use.kind,
        "name": use.name,
        "webhook": use.webhook or None,
        "matchPolicy": use.match_policy,
        "excludes": use.excludes,
        "paramKind": use.param,
        "failurePolicy": use.failure_policy,
    }


def _mention(mention: ManifestMention) -> dict[str, Any]:
    return {"source": mention.source, "at": mention.at, "asApiVersion": mention.as_api_version}
