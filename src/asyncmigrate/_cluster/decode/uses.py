"""What may use a version of a CRD, out of answers: discovery, owner references, and what admission rules name."""

from __future__ import annotations

import re
from collections import Counter

import msgspec

from asyncmigrate._cluster.decode.answer import ListMeta, check_kind, decoded
from asyncmigrate._cluster.error_status import excerpt
from asyncmigrate._model import Name
from asyncmigrate._rules.decisions.admission_rules import AdmissionHook, AdmissionRule
from asyncmigrate.errors import BadAnswerError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_FAIL = "Fail"  # what the server fills in


class APIResource(msgspec.Struct, frozen=True, kw_only=True):
    """A resource as discovery offers it; `group` is empty for the core group."""

    group: str
    version: str
    plural: str

    @property
    def named(self) -> str:
        """`<plural>.<group>`, or the plural alone in the core group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def path(self) -> str:
        base = f"/apis/{self.group}" if self.group else "/api"
        return f"{base}/{self.version}/{self.plural}"


class OwnedPage(msgspec.Struct, frozen=True):
    """One page of a list: how many objects name the kind that was asked about as their owner, by its version."""

    objects: dict[str, int]
    examples: dict[str, str]
    continue_token: str = ""
    remaining: int | None = None


class HookPage(msgspec.Struct, frozen=True):
    """One page of webhook configurations, policies or bindings."""

    items: tuple[AdmissionHook, ...]
    continue_token: str = ""
    remaining: int | None = None


class _Versions(msgspec.Struct):
    kind: str
    versions: tuple[str, ...] = ()


class _GroupVersion(msgspec.Struct):
    version: str


class _Group(msgspec.Struct, rename="camel"):
    name: Name
    versions: tuple[_GroupVersion, ...] = ()
    preferred_version: _GroupVersion | None = None


class _Groups(msgspec.Struct):
    kind: str
    groups: tuple[_Group, ...] = ()


class _Resource(msgspec.Struct):
    name: str
    verbs: tuple[str, ...] = ()


class _Resources(msgspec.Struct):
    kind: str
    resources: tuple[_Resource, ...] | None = ()


class _OwnerReference(msgspec.Struct, rename="camel"):
    api_version: str = ""
    kind: str = ""


class _OwnedMeta(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    owner_references: tuple[_OwnerReference, ...] | None = None


class _Owned(msgspec.Struct):
    metadata: _OwnedMeta


class _OwnedList(msgspec.Struct):
    kind: str
    metadata: ListMeta
    items: list[_Owned] | None


class _HookMeta(msgspec.Struct):
    name: Name


class _Rule(msgspec.Struct, rename="camel"):
    api_groups: tuple[str, ...] | None = None
    api_versions: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None
    operations: tuple[str, ...] | None = None
    scope: str | None = None
    resource_names: tuple[str, ...] | None = None


class _Webhook(msgspec.Struct, rename="camel"):
    name: str = ""
    match_policy: str | None = None
    failure_policy: str | None = None
    rules: tuple[_Rule, ...] | None = None


class _MatchResources(msgspec.Struct, rename="camel"):
    match_policy: str | None = None
    resource_rules: tuple[_Rule, ...] | None = None
    exclude_resource_rules: tuple[_Rule, ...] | None = None


class _ParamKind(msgspec.Struct, rename="camel"):
    api_version: str = ""
    kind: str = ""


class _HookSpec(msgspec.Struct, rename="camel"):
    param_kind: _ParamKind | None = None  # of a policy
    failure_policy: str | None = None
    match_constraints: _MatchResources | None = None  # of a policy
    match_resources: _MatchResources | None = None  # of a binding


class _Hook(msgspec.Struct):
    metadata: _HookMeta
    webhooks: tuple[_Webhook, ...] | None = None
    spec: _HookSpec | None = None


class _HookList(msgspec.Struct):
    kind: str
    metadata: ListMeta
    items: list[_Hook] | None


_decode_versions = msgspec.json.Decoder(_Versions).decode
_decode_groups = msgspec.json.Decoder(_Groups).decode
_decode_resources = msgspec.json.Decoder(_Resources).decode
_decode_owned = msgspec.json.Decoder(_OwnedList).decode
_decode_hooks = msgspec.json.Decoder(_HookList).decode


def core_versions(body: bytes) -> tuple[tuple[str, str], ...]:
    """The versions of the core group, each with the empty name of that group."""
    answer = decoded(_decode_versions, body, "APIVersions")
    check_kind(answer.kind, "APIVersions", body)
    return tuple(("", _in_path(v)) for v in answer.versions)


def group_versions(body: bytes) -> tuple[tuple[str, str], ...]:
    """The groups and versions of an APIGroupList, the preferred version of each group first."""
    answer = decoded(_decode_groups, body, "APIGroupList")
    check_kind(answer.kind, "APIGroupList", body)
    found = []
    for group in answer.groups:
        preferred = [group.preferred_version.version] if group.preferred_version else []
        versions = dict.fromkeys([*preferred, *(v.version for v in group.versions)])
        found += [(_in_path(group.name), _in_path(v)) for v in versions]
    return tuple(found)


def listed_resources(body: bytes, group: str, version: str) -> tuple[APIResource, ...]:
    """The resources of one group version that can be listed; subresources cannot."""
    answer = decoded(_decode_resources, body, "APIResourceList")
    check_kind(answer.kind, "APIResourceList", body)
    return tuple(
        APIResource(group=group, version=version, plural=_in_path(r.name))
        for r in answer.resources or ()
        if "list" in r.verbs and "/" not in r.name
    )


def _in_path(name: str) -> str:
    """A name that goes into paths: an aggregated API may give any."""
    if not _NAME.fullmatch(name):
        raise BadAnswerError(f"discovery has a name that is none: {name!r}")
    return name


def owned_page(body: bytes, group: str, kind: str) -> OwnedPage:
    """Count the objects of a list whose owner references name a group and kind; one may do so in several versions."""
    answer = decoded(_decode_owned, body, "list of objects")
    if not answer.kind.endswith("List"):
        raise BadAnswerError(f"the answer is no list: {excerpt(body)}")
    objects: Counter[str] = Counter()
    examples: dict[str, str] = {}
    prefix = f"{group}/"
    for item in answer.items or ():
        meta = item.metadata
        references = meta.owner_references or ()
        for version in {
            r.api_version.removeprefix(prefix)
            for r in references
            if r.kind == kind and r.api_version.startswith(prefix)
        }:
            objects[version] += 1
            examples.setdefault(version, f"{meta.namespace}/{meta.name}" if meta.namespace else meta.name)
    return OwnedPage(dict(objects), examples, answer.metadata.continue_, answer.metadata.remaining_item_count)


def hook_page(body: bytes, kind: str) -> HookPage:
    """Webhook configurations, policies or bindings of a kind: what each applies to."""
    answer = decoded(_decode_hooks, body, f"{kind}List")
    check_kind(answer.kind, f"{kind}List", body)
    hooks = tuple(hook for item in answer.items or () for hook in _hooks(item, kind))
    return HookPage(hooks, answer.metadata.continue_, answer.metadata.remaining_item_count)


def _hooks(item: _Hook, kind: str) -> list[AdmissionHook]:
    name = item.metadata.name
    hooks = [
        AdmissionHook(
            kind=kind,
            name=name,
            webhook=w.name,
            match_policy=_policy(w.match_policy),
            rules=_rules(w.rules),
            failure_policy=w.failure_policy or _FAIL,
        )
        for w in item.webhooks or ()
    ]
    spec = item.spec or _HookSpec()
    param = spec.param_kind
    if matches := spec.match_constraints or spec.match_resources or (_MatchResources() if param else None):
        hook = AdmissionHook(
            kind=kind,
            name=name,
            match_policy=_policy(matches.match_policy),
            rules=_rules(matches.resource_rules),
            excluded=_rules(matches.exclude_resource_rules),
            param=(param.api_version, param.kind) if param else ("", ""),
            failure_policy=spec.failure_policy or _FAIL,
        )
        hooks.append(hook)
    return hooks


def _policy(policy: str | None) -> str:
    return policy or "Equivalent"  # what the server fills in


def _rules(rules: tuple[_Rule, ...] | None) -> tuple[AdmissionRule, ...]:
    return tuple(
        AdmissionRule(
            api_groups=r.api_groups or (),
            api_versions=r.api_versions or (),
            resources=r.resources or (),
            operations=r.operations or (),
            scope=r.scope or "*",
            resource_names=r.resource_names or (),
        )
        for r in rules or ()
    )
