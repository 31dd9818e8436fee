"""Who asks, and what they may do: bearer tokens and the part of RBAC that a migration needs."""

from __future__ import annotations

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

    def may(self, verb: str, group: str, resource: str) -> bool:
        return any(rule.allows(verb, group, resource) for rule in self.rules)


ANONYMOUS = User("system:anonymous", ())


def authenticate(authorization: str, users: dict[str, User]) -> User:
    if not authorization:
        return ANONYMOUS
    user = users.get(authorization.removeprefix("Bearer ").strip())
    if user is None:
        raise StatusError("Unauthorized", "Unauthorized")
    return user


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
