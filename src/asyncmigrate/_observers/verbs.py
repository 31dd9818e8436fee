"""Which of Kubernetes' verbs a request is, told from its method and path, as the API server itself tells it."""

from __future__ import annotations

_VERBS = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}


def verb_of(method: str, target: str) -> str:
    """`get`, `list`, `create`, `patch`, `update`, `delete`; `other` for any other method.

    What is no resource, such as `/version`, is got.
    """
    if method != "GET":
        return _VERBS.get(method, "other")
    parts = target.partition("?")[0].strip("/").split("/")
    # /api/VERSION/... and /apis/GROUP/VERSION/...
    rest = parts[3:] if parts[0] == "apis" else parts[2:] if parts[0] == "api" else []
    if rest[:1] == ["namespaces"] and len(rest) > 2:  # noqa: PLR2004 -- namespaces, a name, and what is in it
        rest = rest[2:]
    return "list" if len(rest) == 1 else "get"
