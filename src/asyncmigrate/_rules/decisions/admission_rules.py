"""Which webhooks, admission policies and bindings apply to a CRD's objects only as long as it has a certain version.

With matchPolicy Equivalent, the default, a rule that names one version applies to writes through all versions: the
server tries each version in the CRD's `spec.versions`, served or not, as if the write came through that
(matchesResourceRules in apiserver pkg/admission/plugin/policy/matching/matching.go, ShouldCallHook in
pkg/admission/plugin/webhook/generic/webhook.go, and the registry that getOrCreateServingInfoFor fills in
apiextensions-apiserver pkg/apiserver/customresource_handler.go). A version that was dropped is not tried any more, and
nobody is told. With Exact a rule applies to writes through that version only, which end with it.

A policy's `paramKind` is looked up in its very version (ensureParamsForPolicyLocked in apiserver
pkg/admission/plugin/policy/generic/policy_source.go): once that is gone the policy is as if misconfigured, and its
failurePolicy decides whether all that it is for is denied or nothing is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import product

import msgspec

from asyncmigrate._model import CRD
from asyncmigrate._results.droppable import AdmissionUse

_ALL = "*"
_EXACT = "Exact"
_OPERATIONS = frozenset({"CREATE", "UPDATE", "DELETE", "CONNECT"})
_SUBRESOURCES = frozenset({"", "status", "scale"})  # all that custom resources have


class AdmissionRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of a webhook or a policy, as the server has it; no `resource_names` stand for all."""

    api_groups: tuple[str, ...] = ()
    api_versions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    scope: str = _ALL
    resource_names: tuple[str, ...] = ()


class AdmissionHook(msgspec.Struct, frozen=True, kw_only=True):
    """One webhook of a configuration, one policy or one binding, and what it applies to.

    `param` is the apiVersion and the kind that a policy has its parameters in.
    """

    kind: str
    name: str
    webhook: str = ""
    match_policy: str = "Equivalent"
    rules: tuple[AdmissionRule, ...] = ()
    excluded: tuple[AdmissionRule, ...] = ()
    param: tuple[str, str] = ("", "")
    failure_policy: str = "Fail"


def admission_uses(
    hooks: Iterable[AdmissionHook], crd: CRD, version: str, going: Collection[str] = ()
) -> tuple[AdmissionUse, ...]:
    """Find the hooks for which dropping a version changes what they apply to; `going` are dropped together with it."""
    gone = {version, *going}
    found = []
    for hook in hooks:
        if hook.param == (f"{crd.group}/{version}", crd.kind):
            found.append(_use(hook, param=True))
        if _loses(hook.rules, crd, version, gone):
            found.append(_use(hook))
        # Exact: writes through the other versions were not excluded before either.
        elif hook.match_policy != _EXACT and _applies(hook, crd) and _loses(hook.excluded, crd, version, gone):
            found.append(_use(hook, excludes=True))
    return tuple(found)


def param_versions(hooks: Iterable[AdmissionHook], crd: CRD) -> set[str]:
    """The versions that policies have their parameters in, where these are of the CRD's kind."""
    params = [h.param[0].rpartition("/") for h in hooks if h.param[1] == crd.kind]
    return {version for group, _, version in params if group == crd.group}


def _use(hook: AdmissionHook, *, excludes: bool = False, param: bool = False) -> AdmissionUse:
    return AdmissionUse(
        kind=hook.kind,
        name=hook.name,
        webhook=hook.webhook,
        match_policy=hook.match_policy,
        excludes=excludes,
        param=param,
        failure_policy=hook.failure_policy,
    )


def _applies(hook: AdmissionHook, crd: CRD) -> bool:
    """Tell whether a hook is for the CRD's objects at all; a binding without rules is for all that its policy is."""
    known = {_ALL, *(v.name for v in crd.versions)}
    return not hook.rules or any(
        _is_for(r, crd) and known & set(r.api_versions) and _requests(r, crd) for r in hook.rules
    )


def _loses(rules: Iterable[AdmissionRule], crd: CRD, version: str, gone: set[str]) -> bool:
    """Tell whether rules apply to some request of this CRD only through the version, or others that go with it."""
    others = {v.name for v in crd.versions} - gone
    lost: set[tuple[str, str, str]] = set()
    kept: set[tuple[str, str, str]] = set()
    for rule in rules:
        if not _is_for(rule, crd):
            continue
        if _ALL in rule.api_versions or others & set(rule.api_versions):
            kept |= _requests(rule, crd)
        elif version in rule.api_versions:
            lost |= _requests(rule, crd)
    return any(r not in kept and (r[0], r[1], "") not in kept for r in lost)


def _is_for(rule: AdmissionRule, crd: CRD) -> bool:
    in_scope = rule.scope in {_ALL, crd.scope}
    return in_scope and bool({_ALL, crd.group} & set(rule.api_groups))


def _requests(rule: AdmissionRule, crd: CRD) -> set[tuple[str, str, str]]:
    """What a rule applies to: operations, subresources and names; an empty name stands for all."""
    operations = _OPERATIONS if _ALL in rule.operations else set(rule.operations)
    subresources: set[str] = set()
    for named in rule.resources:
        resource, _, subresource = named.partition("/")
        if resource in {_ALL, crd.plural}:
            subresources |= _SUBRESOURCES if subresource == _ALL else {subresource}
    return set(product(operations, subresources, rule.resource_names or ("",)))
