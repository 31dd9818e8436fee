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
    "RequestEntityTooLarge": 413,
    "UnsupportedMediaType": 415,
    "Invalid": 422,
    "TooManyRequests": 429,
    "InternalError": 500,
    "ServiceUnavailable": 503,
    "Timeout": 504,
}


class StatusError(Exception):
    """A request that ends with a Status; `body` can be changed until it is sent."""

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
        self.body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {"continue": continue_token} if continue_token else {},
            "status": "Failure",
            "message": message,
            "code": code or CODES[reason],
        }
        if reason:
            self.body["reason"] = reason
        if retry_after is not None:
            details = (details or {}) | {"retryAfterSeconds": retry_after}
        if details is not None:
            self.body["details"] = details

    @property
    def code(self) -> int:
        return int(self.body["code"])

    @property
    def retry_after(self) -> int | None:
        """What the Retry-After header says: the API server takes it from the Status, whoever wrote that."""
        seconds: int = (self.body.get("details") or {}).get("retryAfterSeconds", 0)
        return seconds or None


def about(group: str, kind: str, name: str) -> dict[str, Any]:
    return {k: v for k, v in (("name", name), ("group", group), ("kind", kind)) if v}


def _of(group: str, resource: str) -> str:
    """A resource or kind as messages name it: with its group, if it has one."""
    return f"{resource}.{group}" if group else resource


def internal_error(why: str) -> StatusError:
    """500 as apimachinery's NewInternalError words it."""
    return StatusError("InternalError", f"Internal error occurred: {why}", details={"causes": [{"message": why}]})


def timeout(why: str, details: dict[str, Any] | None = None) -> StatusError:
    return StatusError("Timeout", f"Timeout: {why}", details=details or {})


def not_found(group: str, plural: str, name: str) -> StatusError:
    return StatusError("NotFound", f'{_of(group, plural)} "{name}" not found', details=about(group, plural, name))


def already_exists(group: str, plural: str, name: str) -> StatusError:
    why = f'{_of(group, plural)} "{name}" already exists'
    return StatusError("AlreadyExists", why, details=about(group, plural, name))


def conflict(group: str, plural: str, name: str, why: str = "") -> StatusError:
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    return StatusError(
        "Conflict",
        f'Operation cannot be fulfilled on {_of(group, plural)} "{name}": {why}',
        details=about(group, plural, name),
    )


def invalid(group: str, kind: str, name: str, causes: list[tuple[str, str]]) -> StatusError:
    """422 with its causes: a field path and what is wrong with it, each."""
    listed = [{"reason": "FieldValueInvalid", "message": message, "field": field} for field, message in causes]
    text = ", ".join(f"{field}: {message}" for field, message in causes)
    text = text if len(causes) == 1 else f"[{text}]"
    return StatusError(
        "Invalid",
        f'{_of(group, kind)} "{name}" is invalid: {text}',
        details=about(group, kind, name) | {"causes": listed},
    )
