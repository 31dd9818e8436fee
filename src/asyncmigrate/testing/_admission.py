"""Validating admission webhooks: which of them a write is shown to, and what becomes of it when one says no.

As k8s.io/apiserver in pkg/admission/plugin/webhook. Namespace and object selectors, match conditions and services are
not looked at.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from uuid import uuid4

import anyio
import msgspec

from asyncmigrate.testing._objects import Kind, Object
from asyncmigrate.testing._status import StatusError, internal_error, invalid
from asyncmigrate.testing._webhooks import WebhookCallError, ask

KIND = Kind("admissionregistration.k8s.io", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration")
_MAX_SECONDS = 30
_LOWEST_ERROR = 400
_DEFAULTS: Object = {
    "failurePolicy": "Fail",
    "matchPolicy": "Equivalent",
    "namespaceSelector": {},
    "objectSelector": {},
    "timeoutSeconds": 10,
}

# An object and what it was before, in a version.
View = Callable[[str], Awaitable[tuple[Object | None, Object | None]]]


class Write(msgspec.Struct, frozen=True, kw_only=True):
    """A write to be admitted. `operation` is CREATE, UPDATE or DELETE, `versions` all that its resource has."""

    operation: str
    kind: Kind
    version: str
    versions: tuple[str, ...]
    subresource: str
    namespace: str
    name: str
    user: str
    dry_run: bool


def fill_in(configuration: Object) -> None:
    configuration["webhooks"] = [_DEFAULTS | hook for hook in configuration.get("webhooks") or ()]
    for hook in configuration["webhooks"]:
        hook["rules"] = [{"scope": "*"} | rule for rule in hook.get("rules") or ()]


def validate(configuration: Object) -> None:
    causes = []
    for index, hook in enumerate(configuration["webhooks"]):
        where = f"webhooks[{index}]"
        if hook.get("sideEffects") not in {"None", "NoneOnDryRun"}:
            causes.append((f"{where}.sideEffects", "Required value: must specify one of None, NoneOnDryRun"))
        if not 1 <= hook["timeoutSeconds"] <= _MAX_SECONDS:
            why = f"Invalid value: {hook['timeoutSeconds']}: the timeout value must be between 1 and 30 seconds"
            causes.append((f"{where}.timeoutSeconds", why))
        if "v1" not in (hook.get("admissionReviewVersions") or ()):
            causes.append((f"{where}.admissionReviewVersions", "Invalid value: must include v1"))
    if causes:
        raise invalid(KIND.group, KIND.kind, configuration["metadata"]["name"], causes)


async def admit(configurations: Iterable[Object], write: Write, view: View) -> None:
    """Ask all webhooks that a write is for, at once.

    Raises:
        StatusError: one of them denied it, or could not be asked and may not be left out.
    """
    errors: list[StatusError] = []

    async def put_to(hook: Object, version: str) -> None:
        try:
            await _ask(hook, write, version, await view(version))
        except StatusError as error:
            errors.append(error)

    async with anyio.create_task_group() as tasks:
        for configuration in configurations:
            for hook in configuration["webhooks"]:
                if version := _version_for(hook, write):
                    tasks.start_soon(put_to, hook, version)
    if errors:
        raise errors[0]


def _version_for(hook: Object, write: Write) -> str:
    """The version that a webhook wants a write in: the write's own if a rule names it; empty if no rule matches."""
    others = [v for v in write.versions if v != write.version] if hook["matchPolicy"] == "Equivalent" else []
    for versions in ([write.version], others):
        for rule in hook["rules"]:
            for version in versions:
                if _matches(rule, write, version):
                    return version
    return ""


def _matches(rule: Object, write: Write, version: str) -> bool:
    return (
        bool({"*", write.operation} & set(rule.get("operations") or ()))
        and bool({"*", write.kind.group} & set(rule.get("apiGroups") or ()))
        and bool({"*", version} & set(rule.get("apiVersions") or ()))
        and any(_names(resource, write) for resource in rule.get("resources") or ())
        and rule["scope"] in {"*", "Namespaced" if write.namespace else "Cluster"}
    )


def _names(resource: str, write: Write) -> bool:
    plural, _, subresource = resource.partition("/")
    return plural in {"*", write.kind.plural} and subresource in {"*", write.subresource}


async def _ask(hook: Object, write: Write, version: str, objects: tuple[Object | None, Object | None]) -> None:
    uid = str(uuid4())
    review = {
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {"uid": uid} | _request(write, version, objects),
    }
    name, why = hook["name"], ""
    response: Object = {}
    try:
        response = await ask(hook["clientConfig"], review, seconds=hook["timeoutSeconds"])
    except WebhookCallError as error:
        why = f"failed to call webhook: {error}"
    else:
        if response.get("uid") != uid:
            why = f'received invalid webhook response: expected response.uid="{uid}", got "{response.get("uid", "")}"'
    if why and hook["failurePolicy"] == "Ignore":
        return
    if why:
        raise internal_error(f'failed calling webhook "{name}": {why}')
    if not response.get("allowed"):
        raise _denied(name, dict(response.get("status") or {}))


def _request(write: Write, version: str, objects: tuple[Object | None, Object | None]) -> Object:
    kind, new, old = write.kind, *objects
    options = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}[write.operation]
    wanted, asked = (
        (
            {"group": kind.group, "version": v, "kind": kind.kind},
            {"group": kind.group, "version": v, "resource": kind.plural},
        )
        for v in (version, write.version)
    )
    optional = {
        "name": write.name,
        "namespace": write.namespace,
        "subResource": write.subresource,
        "requestSubResource": write.subresource,
    }
    return {
        "kind": wanted[0],
        "resource": wanted[1],
        "requestKind": asked[0],
        "requestResource": asked[1],
        **{field: value for field, value in optional.items() if value},
        "operation": write.operation,
        "userInfo": {"username": write.user},
        "object": new,
        "oldObject": old,
        "dryRun": write.dry_run,
        "options": {"kind": options, "apiVersion": "meta.k8s.io/v1"},
    }


def _denied(name: str, status: dict[str, Any]) -> StatusError:
    """The webhook's own Status, with words that name the webhook (ToStatusErr in errors/statuserror.go)."""
    why = status.get("message") or status.get("reason")
    words = f'admission webhook "{name}" denied the request' + (f": {why}" if why else " without explanation")
    error = StatusError(status.get("reason", ""), words, code=max(status.get("code") or 0, _LOWEST_ERROR))
    error.body |= {field: status[field] for field in ("metadata", "details") if status.get(field)}
    return error
