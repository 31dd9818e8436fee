"""What this package raises: one base class, Kubernetes' Status kept, causes chained.

Every message is one line that says what is wrong, where, and where possible what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncmigrate._model import Status
    from asyncmigrate._results.fleet import FleetReport
    from asyncmigrate._results.plan import Plan
    from asyncmigrate._results.report import Report

__all__ = [
    "APIError",
    "BadAnswerError",
    "BlockedError",
    "ConfigError",
    "ConflictError",
    "ConnectionLostError",
    "ExpiredError",
    "FleetError",
    "ForbiddenError",
    "IncompleteError",
    "ManifestError",
    "MigrateError",
    "NotFoundError",
    "RequestTimeoutError",
    "StateError",
    "TLSError",
    "TransportError",
    "UnauthorizedError",
    "UnreachableError",
    "UsageError",
    "WrongAddressError",
]


class MigrateError(Exception):
    """Base of everything that this package raises. All of them can be pickled and copied."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception would call the class with `args`, which are the message alone.
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(kind: type[MigrateError], args: tuple[Any, ...], state: Mapping[str, Any]) -> MigrateError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class BlockedError(MigrateError):
    """CRDs are blocked, and so nothing was written. The message names the first of them.

    Attributes:
        plan: the plan, where there was no run.
        report: the run's report, else None.
    """

    def __init__(self, problem: str, *, plan: Plan | None = None, report: Report | None = None) -> None:
        self.plan = plan
        self.report = report
        super().__init__(problem)


class IncompleteError(MigrateError):
    """A run left something undone: a CRD or an object failed, or the run was interrupted.

    Attributes:
        report: what was done; `report.unfinished` is what `run(..., unfinished=...)` takes to do the rest.
    """

    def __init__(self, problem: str, *, report: Report) -> None:
        self.report = report
        super().__init__(problem)


class FleetError(MigrateError):
    """A fleet is not done: a cluster failed, was not tried, or all was interrupted. The message names the first one.

    Attributes:
        report: what became of each cluster.
    """

    def __init__(self, problem: str, *, report: FleetReport) -> None:
        self.report = report
        super().__init__(problem)


class UsageError(MigrateError, ValueError):
    """The caller asked for something that makes no sense, such as a label selector that does not parse."""


class StateError(MigrateError):
    """The state that a run is to keep, a file or a ConfigMap, cannot be read or written, or is something else."""


class ManifestError(MigrateError):
    """A manifest cannot be read. `source` names the file or URL (`-` for standard input).

    `document` counts from 1; it is None where the file as a whole is meant.
    """

    def __init__(self, problem: str, *, source: str, document: int | None = None) -> None:
        self.source = source
        self.document = document
        where = source if document is None else f"{source}, document {document}"
        super().__init__(f"{where}: {problem}")


class ConfigError(MigrateError):
    """A kubeconfig, context, credential plugin or in-cluster configuration is missing or broken."""


class TransportError(MigrateError):
    """A request got no answer. The server may or may not have acted on it."""


class UnreachableError(TransportError):
    """Nothing answers at the server's address, or its name is unknown."""


class TLSError(UnreachableError):
    """No trust between the two ends: a wrong CA, a wrong host name, a client certificate that is refused."""


class ConnectionLostError(TransportError):
    """The connection broke before the whole answer was here."""


class RequestTimeoutError(TransportError):
    """No whole answer within the request timeout."""


class BadAnswerError(TransportError):
    """An answer came that no API server gives: truncated JSON, a page of HTML, the wrong kind."""


class WrongAddressError(BadAnswerError):
    """An answer that comes from elsewhere: a page of HTML, a redirect, or a 404 that names no object.

    An ingress, a proxy or a wrong path answers so: it says nothing about what is on the cluster. Nobody waits for it to
    change unless the API server has answered at this address before.
    """


class APIError(MigrateError):
    """The API server answered with an error.

    Attributes:
        status: Kubernetes' Status (code, reason, message, retry_after in seconds).
        doing: what was asked for, such as `get CRD widgets.example.com`.
    """

    def __init__(self, status: Status, *, doing: str, advice: str = "") -> None:
        self.status = status
        self.doing = doing
        said = f"cannot {doing}: {status.code} {status.reason}: {status.message}"
        super().__init__(f"{said}; {advice}" if advice else said)


class NotFoundError(APIError):
    """404."""


class ConflictError(APIError):
    """409: the object has changed since the resource version that the write carried."""


class ExpiredError(APIError):
    """410: a continue token or resource version is too old."""


class UnauthorizedError(APIError):
    """401, after the credentials were renewed once."""


class ForbiddenError(APIError):
    """403: RBAC or an admission plugin says no."""
