"""CustomResourceDefinitions: what is checked, filled in, and kept in their status."""

from __future__ import annotations

from typing import Any

from asyncmigrate.testing._objects import Kind, Object
from asyncmigrate.testing._status import StatusError, invalid

GROUP = "apiextensions.k8s.io"
PLURAL = "customresourcedefinitions"
KIND = Kind(GROUP, PLURAL, "CustomResourceDefinition")


def key(name: str) -> str:
    return f"/registry/{GROUP}/{PLURAL}/{name}"


def storage_version(crd: Object) -> str:
    return str(next(v["name"] for v in crd["spec"]["versions"] if v["storage"]))


def version_names(crd: Object) -> list[str]:
    return [v["name"] for v in crd["spec"]["versions"]]


def version_of(crd: Object, name: str) -> Object | None:
    return next((v for v in crd["spec"]["versions"] if v["name"] == name), None)


def has_status(version: Object) -> bool:
    return "status" in (version.get("subresources") or {})


def complete(crd: Object, *, at: str, spec_changed: bool = True) -> None:
    """Fill in defaults and the status of a CRD that is about to be stored.

    A write to the spec adds the storage version to storedVersions; one to the status can make of them what it likes,
    but an empty list is defaulted to the storage version.
    """
    spec = crd["spec"]
    names = spec["names"]
    names.setdefault("singular", names["kind"].lower())
    names.setdefault("listKind", f"{names['kind']}List")
    spec.setdefault("conversion", {"strategy": "None"})
    status = crd.setdefault("status", {})
    storage = storage_version(crd)
    stored = status.setdefault("storedVersions", [])
    if not stored or (spec_changed and storage not in stored):
        status["storedVersions"] = [*stored, storage]
    status["acceptedNames"] = names
    status.setdefault(
        "conditions",
        [
            {"type": kind, "status": "True", "lastTransitionTime": at, "reason": reason, "message": message}
            for kind, reason, message in (
                ("NamesAccepted", "NoConflicts", "no conflicts found"),
                ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
            )
        ],
    )


def validate(crd: Object) -> None:
    """The checks that matter to versions; raises 422 as the API server words it."""
    name = crd["metadata"].get("name", "")
    spec = crd.get("spec")
    if (
        not isinstance(spec, dict)
        or not isinstance(spec.get("names"), dict)
        or not isinstance(spec.get("versions"), list)
    ):
        raise invalid(GROUP, KIND.kind, name, [("spec", "Required value: names and versions")])
    causes = list(_problems(crd, name, spec))
    if causes:
        raise invalid(GROUP, KIND.kind, name, causes)


def _problems(crd: Object, name: str, spec: Object) -> list[tuple[str, str]]:
    causes = []
    full = f"{spec['names'].get('plural', '')}.{spec.get('group', '')}"
    if name != full:
        causes.append(("metadata.name", f'Invalid value: "{name}": must be spec.names.plural+"."+spec.group'))
    if spec.get("scope") not in {"Namespaced", "Cluster"}:
        causes.append(("spec.scope", "Required value"))
    stores = [v["name"] for v in spec["versions"] if v.get("storage")]
    if len(stores) != 1:
        causes.append(("spec.versions", "Invalid value: must have exactly one version marked as storage version"))
    for index, version in enumerate(spec["versions"]):
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            causes.append((f"spec.versions[{index}].schema.openAPIV3Schema", "Required value: schemas are required"))
    known = set(version_names(crd))
    for index, stored in enumerate((crd.get("status") or {}).get("storedVersions") or ()):
        if stored not in known:
            field = f"status.storedVersions[{index}]"
            why = (
                f"{stored} was previously a storage version, and must remain in spec.versions until a storage "
                "migration ensures no data remains persisted in it and removes it from status.storedVersions"
            )
            causes.append((field, f'Invalid value: "{stored}": missing from spec.versions; {why}'))
    return causes


def as_version(obj: Any, api_version: str) -> Object:  # noqa: ANN401 -- a request body
    """Check that a request body is an object of the version that its URL names."""
    if not isinstance(obj, dict):
        raise StatusError("BadRequest", "the body is not a JSON object")
    found = obj.setdefault("apiVersion", api_version)
    if found != api_version:
        raise StatusError(
            "BadRequest",
            f"the API version in the data ({found}) does not match the expected API version ({api_version})",
        )
    return obj
