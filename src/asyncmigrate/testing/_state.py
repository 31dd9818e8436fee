"""What one server holds: the store, the collections that its CRDs make, and ways straight into it for tests."""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from asyncmigrate.testing import _admission, _crds, _managed, _plain, _types
from asyncmigrate.testing._faults import Faults
from asyncmigrate.testing._managed import Writer
from asyncmigrate.testing._objects import Clock, Kind, Object, decode, encode, prepare_create, prepare_update
from asyncmigrate.testing._plain import Plain
from asyncmigrate.testing._status import already_exists
from asyncmigrate.testing._store import Store
from asyncmigrate.testing._types import Type

_NAMESPACE = Kind("", "namespaces", "Namespace")
_POLICY = Kind(_admission.KIND.group, "validatingadmissionpolicies", "ValidatingAdmissionPolicy")
_WHO = "test"


class Collection(msgspec.Struct, frozen=True, kw_only=True):
    """What one endpoint serves. `crd` is None for what is built in, CRDs themselves among them.

    It is the CRD as of when the collection was looked up: the API server serves a request to its end with the handler
    that it began with, whatever becomes of the CRD (getOrCreateServingInfoFor in apiextensions-apiserver's
    pkg/apiserver/customresource_handler.go).
    """

    kind: Kind
    api_version: str
    prefix: str
    list_kind: str
    namespaced: bool = False
    has_status: bool = False
    crd: Any = None
    plain: Plain | None = None

    @property
    def resource(self) -> str:
        return f"{self.kind.plural}.{self.kind.group}" if self.kind.group else self.kind.plural

    @property
    def version(self) -> str:
        return self.api_version.rpartition("/")[2]

    @property
    def scale(self) -> Object | None:
        """Where its version has its replicas; None where it has no such subresource."""
        found = _crds.version_of(self.crd, self.version) if self.crd else None
        return _crds.scale_of(found) if found else None

    def has(self, subresource: str = "") -> bool:
        # The status is served where a version does not have it too: a write through it changes what it can.
        if self.plain:
            return not subresource
        return subresource in {"", "status"} or (subresource == "scale" and self.scale is not None)

    def type_of(self, api_version: str) -> Type:
        """How an object in a version of it is compared."""
        group, _, version = api_version.partition("/")
        return _types.of_version(self.crd, version) if self.crd else _types.of_built_in(group)

    def key(self, namespace: str, name: str) -> str:
        return f"{self.prefix}{namespace}/{name}" if self.namespaced else f"{self.prefix}{name}"


NAMESPACES = Collection(kind=_NAMESPACE, api_version="v1", prefix="/registry/namespaces/", list_kind="NamespaceList")
CRDS = Collection(
    kind=_crds.KIND,
    api_version=_crds.API_VERSION,
    prefix=_crds.key(""),
    list_kind=f"{_crds.KIND.kind}List",
    has_status=True,
)
WEBHOOKS = Collection(
    kind=_admission.KIND,
    api_version=f"{_admission.KIND.group}/v1",
    prefix=f"/registry/{_admission.KIND.plural}/",
    list_kind=f"{_admission.KIND.kind}List",
)
# They are stored, and nothing more: no write is held against them.
POLICIES = Collection(
    kind=_POLICY,
    api_version=f"{_POLICY.group}/v1",
    prefix=f"/registry/{_POLICY.plural}/",
    list_kind=f"{_POLICY.kind}List",
)


def _kept(group: str, version: str, plural: str, kind: str, plain: Plain) -> Collection:
    return Collection(
        kind=Kind(group, plural, kind),
        api_version=f"{group}/{version}" if group else version,
        prefix=f"/registry/{plural}/",
        list_kind=f"{kind}List",
        namespaced=True,
        plain=plain,
    )


CORE = (
    NAMESPACES,
    _kept("", "v1", "configmaps", "ConfigMap", _plain.CONFIG_MAPS),
    _kept("", "v1", "events", "Event", _plain.EVENTS),
)
BUILT_IN = (
    WEBHOOKS,
    POLICIES,
    CRDS,
    _kept("events.k8s.io", "v1", "events", "Event", _plain.NEW_EVENTS),
    _kept("coordination.k8s.io", "v1", "leases", "Lease", _plain.LEASES),
)
_BUILT_IN = {(c.kind.group, c.version, c.kind.plural): c for c in (*CORE, *BUILT_IN)}


class State:
    """The state of one server; `minor` is the version of Kubernetes that it is like."""

    def __init__(self, minor: int) -> None:
        self.minor = minor
        self.store = Store()
        self.faults = Faults()
        self.clock = Clock()
        for name in ("default", "kube-system"):
            self.add(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def crd(self, name: str) -> Object | None:
        entry = self.store.get(_crds.key(name))
        return decode(entry.data, entry.revision) if entry and entry.data else None

    def crds(self) -> list[Object]:
        """All live CRDs, by name."""
        found, _ = self.store.scan(_crds.key(""))
        return [decode(entry.data, entry.revision) for _, entry in found if entry.data]

    def webhook_configurations(self) -> list[Object]:
        found, _ = self.store.scan(WEBHOOKS.prefix)
        return [decode(entry.data, entry.revision) for _, entry in found if entry.data]

    def collection(self, group: str, version: str, plural: str) -> Collection | None:
        """What `/apis/<group>/<version>/<plural>` serves now (`/api/v1/<plural>`: no group); None: nothing."""
        if built_in := _BUILT_IN.get((group, version, plural)):
            return built_in
        crd = self.crd(f"{plural}.{group}")
        served = _crds.version_of(crd, version) if crd else None
        if crd is None or served is None or not served["served"] or not _crds.is_established(crd):
            return None
        spec = crd["spec"]
        kind = Kind(spec["group"], spec["names"]["plural"], spec["names"]["kind"])
        return Collection(
            kind=kind,
            api_version=f"{kind.group}/{version}",
            prefix=f"/registry/{kind.group}/{kind.plural}/",
            list_kind=spec["names"]["listKind"],
            namespaced=spec["scope"] == "Namespaced",
            has_status=_crds.has_status(served),
            crd=crd,
        )

    # Straight into the store

    def add(self, collection: Collection, obj: Object) -> Object:
        """Store an object as it is given, in its own apiVersion, with no conversion and no checks but its name."""
        obj = prepare_create(obj, collection.kind, has_status=False, at=self.clock.stamp())
        meta = obj["metadata"]
        if collection.namespaced:
            meta.setdefault("namespace", "default")
        key = collection.key(meta.get("namespace", ""), meta["name"])
        if self.store.get(key) is not None:
            raise already_exists(collection.kind.group, collection.kind.plural, meta["name"])
        self._stamp(obj, {}, collection.type_of(obj["apiVersion"]))
        meta["resourceVersion"] = str(self.store.put(key, encode(obj)))
        return obj

    def apply_crd(self, crd: Object) -> Object:
        """Create the CRD, or change its spec to this one, as `kubectl apply` would."""
        crd = copy.deepcopy(crd)
        _crds.fill_in(crd)
        name = crd["metadata"]["name"]
        key = _crds.key(name)
        entry = self.store.get(key)
        at = self.clock.stamp()
        if entry is None or entry.data is None:
            old = _crds.EMPTY
            new = prepare_create(crd, _crds.KIND, has_status=True, at=at)
        else:
            old = decode(entry.data, entry.revision)
            new = prepare_update(old | {"spec": crd["spec"]}, old, _crds.KIND, has_status=True)
        _crds.validate(new, is_new=False)
        self._stamp(new, old, CRDS.type_of(_crds.API_VERSION))
        _crds.settle(new, at=at, spec_changed=True, others=self.crds())
        data = encode(new)
        if entry is None or data != entry.data:
            self.store.put(key, data)
        return self.crd(name) or new

    def _stamp(self, new: Object, old: Object, kind: Type) -> None:
        live = old.get("metadata", {}).get("managedFields", [])
        if old.get("metadata") and not live:
            return  # as for any writer: where nobody is tracked, nobody is from then on
        changes = {new["apiVersion"]: _managed.tracked_changes(new, old, kind)}
        writer = Writer(_WHO, new["apiVersion"], "", self.clock.stamp())
        new["metadata"]["managedFields"] = _managed.owned(live, changes, writer)
