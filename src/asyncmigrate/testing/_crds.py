"""CustomResourceDefinitions: what is checked, filled in, and kept in their status."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from asyncmigrate.testing import _managed
from asyncmigrate.testing._managed import Writer
from asyncmigrate.testing._objects import Kind, Object
from asyncmigrate.testing._status import StatusError, invalid

GROUP = "apiextensions.k8s.io"
PLURAL = "customresourcedefinitions"
KIND = Kind(GROUP, PLURAL, "CustomResourceDefinition")
API_VERSION = f"{GROUP}/v1"

# What a CRD is compared with when it is created: its Go type has these as values, which are there from the start.
EMPTY: Object = {"metadata": {}, "spec": {"names": {}}, "status": {"acceptedNames": {}, "conditions": []}}


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


def scale_of(version: Object) -> Object | None:
    """Where a version has its replicas; None where it has no such subresource."""
    found: Object | None = (version.get("subresources") or {}).get("scale")
    return found


def fill_in(crd: Object) -> None:
    """Set the defaults of a CRD's spec, as far as it can be read; nothing has been checked yet."""
    spec = crd.get("spec")
    if not isinstance(spec, dict):
        return
    spec.setdefault("conversion", {"strategy": "None"})
    names = spec.get("names")
    if isinstance(names, dict) and isinstance(kind := names.get("kind"), str):
        spec["names"] = {"singular": kind.lower(), "listKind": f"{kind}List"} | names


def _taken_name(crd: Object, others: Iterable[Object]) -> tuple[str, str] | None:
    """The name of a new CRD that another one of its group has, the last if several: its field, and it.

    It is what the condition names, as each conflict that naming_controller.go finds replaces the one before.
    """
    spec = crd["spec"]
    resources, kinds = set(), set()
    for other in others:
        if other["spec"]["group"] == spec["group"] and other["metadata"]["name"] != crd["metadata"]["name"]:
            names = (other.get("status") or {}).get("acceptedNames") or {}
            resources |= {names.get("plural"), names.get("singular"), *names.get("shortNames", ())}
            kinds |= {names.get("kind"), names.get("listKind")}
    names, found = spec["names"], None
    for field, taken in (("plural", resources), ("singular", resources), ("kind", kinds), ("listKind", kinds)):
        if names.get(field) in taken:
            found = field, names[field]
    return found


def is_established(crd: Object) -> bool:
    return any(c["type"] == "Established" and c["status"] == "True" for c in crd["status"]["conditions"])


def _conditions(taken: tuple[str, str] | None) -> list[tuple[str, str, str, str]]:
    if taken is None:
        return [
            ("NamesAccepted", "True", "NoConflicts", "no conflicts found"),
            ("Established", "True", "InitialNamesAccepted", "the initial names have been accepted"),
        ]
    field, name = taken
    return [
        ("NamesAccepted", "False", f"{field[0].upper()}{field[1:]}Conflict", f'"{name}" is already in use'),
        ("Established", "False", "NotAccepted", "not all names are accepted"),
    ]


def settle(crd: Object, *, at: str, spec_changed: bool, others: Iterable[Object] = ()) -> None:
    """Bring the status of a CRD up to date that is about to be stored.

    A write to the spec adds the storage version to storedVersions; one to the status can make of them what it likes,
    but an empty list is defaulted to the storage version. Nobody owns what is added. The rest is what the API server's
    controllers write a moment later, as `kube-apiserver`: a new one with names of one of the `others` is not served.
    """
    status = crd["status"] = dict(crd.get("status") or {})
    storage = storage_version(crd)
    stored = status.get("storedVersions") or []
    status["storedVersions"] = [*stored, storage] if not stored or (spec_changed and storage not in stored) else stored
    before = crd | {"status": EMPTY["status"] | status}
    if not status.get("conditions"):
        status["conditions"] = [
            {"type": kind, "status": value, "lastTransitionTime": at, "reason": reason, "message": message}
            for kind, value, reason, message in _conditions(_taken_name(crd, others))
        ]
    status["acceptedNames"] = crd["spec"]["names"] if is_established(crd) else {"plural": "", "kind": ""}
    if entries := crd["metadata"].get("managedFields"):
        changes = _managed.built_in_changes(crd, before)
        writer = Writer("kube-apiserver", API_VERSION, "status", at)
        crd["metadata"]["managedFields"] = _managed.owned(entries, {API_VERSION: changes}, writer)


def validate(crd: Object, *, is_new: bool) -> None:
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
    if is_new and spec.get("preserveUnknownFields"):
        why = "set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        causes.append(("spec.preserveUnknownFields", f"Invalid value: true: cannot set to true, {why}"))
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
    if not isinstance(obj, dict) or not isinstance(obj.get("metadata") or {}, dict):
        raise StatusError("BadRequest", "the body is not a JSON object, or its metadata are not")
    found = obj.setdefault("apiVersion", api_version)
    if found != api_version:
        raise StatusError(
            "BadRequest",
            f"the API version in the data ({found}) does not match the expected API version ({api_version})",
        )
    return obj
