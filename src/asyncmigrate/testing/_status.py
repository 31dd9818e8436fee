"""Kubernetes' Status bodies, as errors that end a request."""

from __future__ import annotations

from typing import Any

CODES = {
    "BadRequest": 400,
    "Unauthorized": 401,
    "Forbidden": 403,
    "NotFound": 404,
    "MethodNotAllowed": 405,
    "AlreadyExists": 409,
    "Conflict": 409,
    "Expired": 410,
    "UnsupportedMediaType": 415,
    "Invalid": 422,
    "TooManyRequests": 429,
    "InternalError": 500,
    "ServiceUnavailable": 503,
}


class StatusError(Exception):
    """A request that ends with a Status."""

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        code: int | None = None,
        details: dict[str, Any] | None = None,
        continue_token: str = "",
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code or CODES[reason]
        self.retry_after = retry_after
        self.body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {"continue": continue_token} if continue_token else {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": self.code,
        }
        details = dict(details or {})
        if retry_after is not None:
            details["retryAfterSeconds"] = retry_after
        if details:
            self.body["details"] = details


def about(group: str, kind: str, name: str) -> dict[str, Any]:
    return {"name": name, "group": group, "kind": kind}


def not_found(group: str, plural: str, name: str) -> StatusError:
    return StatusError("NotFound", f'{plural}.{group} "{name}" not found', details=about(group, plural, name))


def already_exists(group: str, plural: str, name: str) -> StatusError:
    return StatusError("AlreadyExists", f'{plural}.{group} "{name}" already exists', details=about(group, plural, name))


def conflict(group: str, plural: str, name: str, why: str = "") -> StatusError:
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    return StatusError(
        "Conflict",
        f'Operation cannot be fulfilled on {plural}.{group} "{name}": {why}',
        details=about(group, plural, name),
    )


def invalid(group: str, kind: str, name: str, causes: list[tuple[str, str]]) -> StatusError:
    """422 with its causes: a field path and what is wrong with it, each."""
    listed = [{"reason": "FieldValueInvalid", "message": message, "field": field} for field, message in causes]
    text = ", ".join(f"{field}: {message}" for field, message in causes)
    text = text if len(causes) == 1 else f"[{text}]"
    return StatusError(
        "Invalid", f'{kind}.{group} "{name}" is invalid: {text}', details=about(group, kind, name) | {"causes": listed}
    )
