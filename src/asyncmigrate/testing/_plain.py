"""Kinds without a CRD that are just kept, ConfigMaps, Events and Leases: their fields, and what is checked of them.

What their Go types do not have is dropped, and what is of another type is refused, as when Go decodes it. The checks
are those of pkg/apis/core/validation and pkg/apis/coordination/validation in k8s.io/kubernetes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import msgspec

from asyncmigrate.testing._objects import Kind, Object
from asyncmigrate.testing._status import StatusError, invalid

# As metav1.Time and metav1.MicroTime parse them: the latter with exactly six digits.
_Time = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")]
_MicroTime = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)$")]
_Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]

_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_MAX_DATA = 1 << 20
_MAX_WORD = 128
_MAX_MESSAGE = 1024

Causes = Iterator[tuple[str, str]]


class _Fields(msgspec.Struct, omit_defaults=True, rename="camel"):
    """As encoding/json: fields with no value are left out."""


class _Metadata(_Fields):
    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: list[str] = []


class _ConfigMap(_Fields):
    data: dict[str, str] = {}
    binary_data: dict[str, Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9+/\r\n]*={0,2}$")]] = {}
    immutable: bool | None = None


class _Reference(_Fields):
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""
    resource_version: str = ""
    field_path: str = ""


class _Source(_Fields):
    component: str = ""
    host: str = ""


class _Series(_Fields):
    count: _Int32 = 0
    last_observed_time: _MicroTime | None = None


class _Event(_Fields):
    """In the names of core/v1, which it is stored in."""

    involved_object: _Reference = msgspec.field(default_factory=_Reference)
    reason: str = ""
    message: str = ""
    source: _Source = msgspec.field(default_factory=_Source)
    first_timestamp: _Time | None = None
    last_timestamp: _Time | None = None
    count: _Int32 = 0
    type: str = ""
    event_time: _MicroTime | None = None
    series: _Series | None = None
    action: str = ""
    related: _Reference | None = None
    reporting_component: str = ""
    reporting_instance: str = ""


class _LeaseSpec(_Fields):
    holder_identity: str | None = None
    lease_duration_seconds: _Int32 | None = None
    acquire_time: _MicroTime | None = None
    renew_time: _MicroTime | None = None
    lease_transitions: _Int32 | None = None
    strategy: str | None = None
    preferred_holder: str | None = None


class _Lease(_Fields):
    spec: _LeaseSpec = msgspec.field(default_factory=_LeaseSpec)


def _config_map_problems(new: Object, old: Object | None) -> Causes:
    if old and old.get("immutable"):
        for field in ("immutable", "data", "binaryData"):
            if new.get(field) != old.get(field):
                yield field, "Forbidden: field is immutable when `immutable` is set"
    size = 0
    for field in ("data", "binaryData"):
        for key, value in new.get(field, {}).items():
            size += len(value.encode()) if field == "data" else len(value) * 3 // 4
            if not _KEY.fullmatch(key) or key in {".", ".."} or key.startswith(".."):
                yield f"{field}[{key}]", f'Invalid value: "{key}": a valid config key must consist of alphanumerics'
    for key in new.get("data", {}).keys() & new.get("binaryData", {}).keys():
        yield f"data[{key}]", f'Invalid value: "{key}": duplicate of key present in binaryData'
    if size > _MAX_DATA:
        yield "", f"Too long: may not be more than {_MAX_DATA} bytes"


def _event_problems(new: Object, old: Object | None) -> Causes:
    """legacyValidateEvent, which holds for both API groups."""
    del old
    about, here = new["involvedObject"].get("namespace", ""), new["metadata"]["namespace"]
    mismatch = ("involvedObject.namespace", f'Invalid value: "{about}": does not match event.namespace')
    if not new["eventTime"]:
        if here != (about or "default"):
            yield mismatch
        return
    if not about and here not in {"default", "kube-system"}:
        yield mismatch
    if not new["reportingComponent"]:
        yield "reportingComponent", "Required value"
    for field, most in (
        *(("reportingInstance", _MAX_WORD), ("action", _MAX_WORD), ("reason", _MAX_WORD)),
        ("message", _MAX_MESSAGE),
    ):
        value = new.get(field, "")
        if not value and field != "message":
            yield field, "Required value"
        if len(value.encode()) > most:
            yield field, f'Invalid value: "": can have at most {most} characters'


def _new_event_problems(new: Object, old: Object | None) -> Causes:
    """What events.k8s.io/v1 checks in addition; the names are core/v1's here too."""
    yield from _event_problems(new, old)
    yield from _series_problems(new, old)
    if old is not None:
        for field in _EVENT_FIELDS - {"series"}:
            if new.get(field) != old.get(field):
                yield field, "Invalid value: field is immutable"
        return
    if not new["eventTime"]:
        yield "eventTime", "Required value"
    if new.get("type") not in {"Normal", "Warning"}:
        yield "type", f'Invalid value: "": has invalid value: {new.get("type", "")}'
    for field in ("firstTimestamp", "lastTimestamp", "count", "source"):
        if new.get(field):
            yield field, 'Invalid value: "": needs to be unset'


def _series_problems(new: Object, old: Object | None) -> Causes:
    if (series := new.get("series")) and (old is None or series != old.get("series")):
        if series.get("count", 0) < 2:  # noqa: PLR2004 -- one is no series
            yield "series.count", 'Invalid value: "": should be at least 2'
        if not series.get("lastObservedTime"):
            yield "series.lastObservedTime", "Required value"


def _lease_problems(new: Object, old: Object | None) -> Causes:
    del old
    spec = new["spec"]
    if (seconds := spec.get("leaseDurationSeconds")) is not None and seconds <= 0:
        yield "spec.leaseDurationSeconds", f"Invalid value: {seconds}: must be greater than 0"
    if (transitions := spec.get("leaseTransitions")) is not None and transitions < 0:
        yield "spec.leaseTransitions", f"Invalid value: {transitions}: must be greater than or equal to 0"


class Plain(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for the objects of one endpoint.

    `always` are the fields that Go writes without a value too. `renamed` is how the endpoint calls what is stored, with
    `stored_in` its apiVersion, under other names.
    """

    model: type
    problems: Callable[[Object, Object | None], Causes]
    always: Mapping[str, Any] = {}
    stored_in: str = ""
    renamed: Mapping[str, str] = {}
    creates_on_update: bool = False
    updates_unconditionally: bool = True

    def decoded(self, obj: Object, kind: Kind) -> Object:
        """A request's object, of the fields that it may have."""
        if obj["kind"] != kind.kind:
            raise StatusError("BadRequest", f"the object is a {obj['kind']}, and not a {kind.kind}")
        inner = self._to_stored(obj)
        try:
            msgspec.convert(_without_nulls(obj.get("metadata") or {}), _Metadata)
            fields: Any = msgspec.convert(_without_nulls(inner), self.model)
        except msgspec.ValidationError as error:
            why = f'{kind.kind} in version "{obj["apiVersion"]}" cannot be handled as a {kind.kind}: {error}'
            raise StatusError("BadRequest", why) from error
        kept = {field: obj[field] for field in ("apiVersion", "kind", "metadata") if field in obj}
        return kept | self._renamed(dict(self.always) | msgspec.to_builtins(fields))

    def validate(self, new: Object, old: Object | None, kind: Kind) -> None:
        before = None if old is None else self._to_stored(old)
        if causes := list(self.problems(self._to_stored(new), before)):
            raise invalid(kind.group, kind.kind, new["metadata"]["name"], causes)

    def shown(self, stored: Object, api_version: str) -> Object:
        return self._renamed(stored) | {"apiVersion": api_version}

    def to_store(self, obj: Object) -> Object:
        return self._to_stored(obj) | {"apiVersion": self.stored_in or obj["apiVersion"]}

    def _renamed(self, obj: Object) -> Object:
        return {self.renamed.get(field, field): value for field, value in obj.items()}

    def _to_stored(self, obj: Object) -> Object:
        back = {new: old for old, new in self.renamed.items()}
        return {back.get(field, field): value for field, value in obj.items()}


def _without_nulls(value: Any) -> Any:  # noqa: ANN401 -- any JSON
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return value


_EVENT_FIELDS = set(_Event.__struct_encode_fields__)
_EVENT_ALWAYS: Object = {
    **dict.fromkeys(("firstTimestamp", "lastTimestamp", "eventTime")),
    **dict.fromkeys(("reportingComponent", "reportingInstance"), ""),
    **{field: {} for field in ("involvedObject", "source")},
}
_NEW_NAMES = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
}

CONFIG_MAPS = Plain(model=_ConfigMap, problems=_config_map_problems)
EVENTS = Plain(model=_Event, problems=_event_problems, always=_EVENT_ALWAYS, creates_on_update=True)
NEW_EVENTS = Plain(
    model=_Event,
    problems=_new_event_problems,
    always=_EVENT_ALWAYS,
    stored_in="v1",
    renamed=_NEW_NAMES,
    creates_on_update=True,
)
LEASES = Plain(
    model=_Lease,
    problems=_lease_problems,
    always={"spec": {}},
    creates_on_update=True,
    updates_unconditionally=False,
)
