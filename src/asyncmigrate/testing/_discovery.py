"""What an API server says about itself: its version, its API groups and the resources in them.

In the old form, one document a group and version, with what clients read of it.
"""

from __future__ import annotations

import re

from asyncmigrate.testing._objects import Object
from asyncmigrate.testing._state import BUILT_IN, CORE, Collection, State

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_CUSTOM_VERBS = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
_SUBRESOURCE_VERBS = ["get", "patch", "update"]
_PATCH_RELEASES = {36: 3, 37: 2}  # those of the test bed; of others the first
_STABLE = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")


def at(path: str, state: State) -> Object | None:
    """What a GET of a path is answered; None where it is no document of discovery."""
    if path.rstrip("/") == "/version":  # kr8s asks for /version/
        return _version(state.minor)
    match path.strip("/").split("/"):
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["api", "v1"]:
            return _resources("v1", [_resource(c) for c in CORE])
        case ["apis"]:
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": list(_groups(state).values())}
        case ["apis", group]:
            found = _groups(state).get(group)
            return {"kind": "APIGroup", "apiVersion": "v1"} | found if found else None
        case ["apis", group, version]:
            return _group_version(state, group, version)
    return None


def _version(minor: int) -> Object:
    return {
        "major": "1",
        "minor": str(minor),
        "emulationMajor": "1",
        "emulationMinor": str(minor),
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": str(minor - 1),
        "gitVersion": f"v1.{minor}.{_PATCH_RELEASES.get(minor, 0)}",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "",
    }


def _groups(state: State) -> dict[str, Object]:
    versions: dict[str, set[str]] = {}
    for built_in in BUILT_IN:
        versions.setdefault(built_in.kind.group, set()).add(built_in.version)
    for crd in state.crds():
        served = {v["name"] for v in crd["spec"]["versions"] if v["served"]}
        if served:
            versions.setdefault(crd["spec"]["group"], set()).update(served)
    return {group: _group(group, sorted(found, key=_rank)) for group, found in versions.items()}


def _group(group: str, versions: list[str]) -> Object:
    listed = [{"groupVersion": f"{group}/{v}", "version": v} for v in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def _rank(version: str) -> tuple[object, ...]:
    """Stable versions before beta and alpha, newer before older, and what is no version last, by name.

    As CompareKubeAwareVersionStrings in k8s.io/apimachinery's pkg/version.
    """
    found = _STABLE.fullmatch(version)
    if found is None:
        return (1, version)
    major, stage, minor = found.groups()
    return (0, {None: 0, "beta": 1, "alpha": 2}[stage], -int(major), -int(minor or 0))


def _group_version(state: State, group: str, version: str) -> Object | None:
    if group not in _groups(state) or f"{group}/{version}" not in {
        v["groupVersion"] for v in _groups(state)[group]["versions"]
    }:
        return None
    found = [c for c in BUILT_IN if (c.kind.group, c.version) == (group, version)]
    found += [
        c
        for crd in state.crds()
        if crd["spec"]["group"] == group and (c := state.collection(group, version, crd["spec"]["names"]["plural"]))
    ]
    listed = [resource for c in found for resource in _with_subresources(c)]
    return _resources(f"{group}/{version}", listed)


def _resources(group_version: str, listed: list[Object]) -> Object:
    version = {} if group_version == "v1" else {"apiVersion": "v1"}
    return {"kind": "APIResourceList"} | version | {"groupVersion": group_version, "resources": listed}


def _resource(collection: Collection) -> Object:
    kind = collection.kind
    names = collection.crd["spec"]["names"] if collection.crd else {"singular": kind.kind.lower()}
    optional = {field: names[field] for field in ("shortNames", "categories") if names.get(field)}
    return {
        "name": kind.plural,
        "singularName": names.get("singular", ""),
        "namespaced": collection.namespaced,
        "kind": kind.kind,
        "verbs": _CUSTOM_VERBS if collection.crd else _VERBS,
    } | optional


def _with_subresources(collection: Collection) -> list[Object]:
    own = _resource(collection)
    found = [own]
    below = {"singularName": "", "namespaced": own["namespaced"]}
    verbs = {"verbs": _SUBRESOURCE_VERBS}
    if collection.has_status:
        found.append({"name": f"{own['name']}/status"} | below | {"kind": own["kind"]} | verbs)
    if collection.scale:
        scale = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
        found.append({"name": f"{own['name']}/scale"} | below | scale | verbs)
    return found
