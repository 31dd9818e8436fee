"""Who asks, as whom, and what they may do: bearer tokens, impersonation, the part of RBAC that a migration needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from asyncmigrate.testing._faults import Target
from asyncmigrate.testing._status import StatusError, about


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """An RBAC rule: every part must match; `*` matches all. Resources may name a subresource: `widgets/status`."""

    verbs: tuple[str, ...]
    groups: tuple[str, ...] = ("*",)
    resources: tuple[str, ...] = ("*",)

    def allows(self, verb: str, group: str, resource: str) -> bool:
        return all(
            "*" in listed or value in listed
            for listed, value in ((self.verbs, verb), (self.groups, group), (self.resources, resource))
        )


EVERYTHING = (Rule(verbs=("*",)),)


class User(msgspec.Struct, frozen=True):
    name: str
    rules: tuple[Rule, ...]
    groups: tuple[str, ...] = ("system:authenticated",)
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = {}

    def may(self, verb: str, group: str, resource: str) -> bool:
        return any(rule.allows(verb, group, resource) for rule in self.rules)


ANONYMOUS = User("system:anonymous", (), ("system:unauthenticated",))
# The group that RBAC's bootstrap policy gives all rights to.
_MASTERS = "system:masters"
_PREFIX = "impersonate-extra-"
_AUTHENTICATION = "authentication.k8s.io"


def authenticate(authorization: str, users: dict[str, User]) -> User:
    if not authorization:
        return ANONYMOUS
    user = users.get(authorization.removeprefix("Bearer ").strip())
    if user is None:
        raise StatusError("Unauthorized", "Unauthorized")
    return user


def impersonate(user: User, headers: Iterable[tuple[str, str]], users: Iterable[User]) -> User:
    """The user that a request acts as, by its Impersonate headers, which need a right each.

    After apiserver's pkg/endpoints/filters/impersonation: the rights are then those of the user of that name; all, in
    the group system:masters. Kubernetes 1.36 and later say in other words that one may not.
    """
    said = [(name.lower(), value) for name, value in headers if name.lower().startswith("impersonate-")]
    name = next((value for header, value in said if header == "impersonate-user"), "")
    if not said:
        return user
    if not name:
        raise StatusError("BadRequest", f"requested {said} without impersonating a user name")
    groups = tuple(value for header, value in said if header == "impersonate-group")
    uid = next((value for header, value in said if header == "impersonate-uid"), "")
    extra: dict[str, tuple[str, ...]] = {}
    _may_impersonate(user, "", "users", name)
    for group in groups:
        _may_impersonate(user, "", "groups", group)
    for header, value in said:
        if header.startswith(_PREFIX):
            key = unquote(header.removeprefix(_PREFIX))
            _may_impersonate(user, _AUTHENTICATION, f"userextras/{key}", value)
            extra[key] = (*extra.get(key, ()), value)
    if uid:
        _may_impersonate(user, _AUTHENTICATION, "uids", uid)
    rules = EVERYTHING if _MASTERS in groups else tuple(r for u in users if u.name == name for r in u.rules)
    added = () if {"system:authenticated", "system:unauthenticated"} & {*groups} else ("system:authenticated",)
    return User(name, rules, (*groups, *added), uid, extra)


def _may_impersonate(user: User, group: str, resource: str, value: str) -> None:
    if not user.may("impersonate", group, resource):
        named = f"{resource.partition('/')[0]}{f'.{group}' if group else ''}"
        raise StatusError(
            "Forbidden",
            f'{named} "{value}" is forbidden: User "{user.name}" cannot impersonate resource "{resource}" '
            f'in API group "{group}" at the cluster scope',
            details=about(group, resource.partition("/")[0], value),
        )


def self_review(user: User) -> dict[str, Any]:
    """Answer a SelfSubjectReview, which `kubectl auth whoami` asks for."""
    info: dict[str, Any] = {"username": user.name, "uid": user.uid, "groups": user.groups, "extra": user.extra}
    return {
        "apiVersion": f"{_AUTHENTICATION}/v1",
        "kind": "SelfSubjectReview",
        "metadata": {},
        "status": {"userInfo": {k: v for k, v in info.items() if v}},
    }


def authorize(user: User, target: Target) -> None:
    plural, _, group = target.resource.partition(".")
    resource = f"{plural}/{target.subresource}" if target.subresource else plural
    if user.may(target.verb, group, resource):
        return
    scope = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
    named = f' "{target.name}"' if target.name else ""
    raise StatusError(
        "Forbidden",
        f"{target.resource}{named} is forbidden: "
        f'User "{user.name}" cannot {target.verb} resource "{resource}" in API group "{group}" {scope}',
        details=about(group, plural, target.name),
    )


def review(user: User, body: dict[str, object]) -> dict[str, object]:
    """Answer a SelfSubjectAccessReview."""
    spec = body.get("spec")
    asked = spec.get("resourceAttributes") if isinstance(spec, dict) else None
    if not isinstance(asked, dict):
        raise StatusError("Invalid", "spec: Invalid value: exactly one of nonResourceAttributes or resourceAttributes")
    resource = asked.get("resource", "")
    if sub := asked.get("subresource"):
        resource = f"{resource}/{sub}"
    return body | {"status": {"allowed": user.may(asked.get("verb", ""), asked.get("group", ""), resource)}}
