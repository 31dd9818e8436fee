"""What to do about an error, and what it says of the server: two tables over the causes."""

from __future__ import annotations

from enum import Enum, auto

from asyncmigrate._rules.errors.causes import Cause, cause_of
from asyncmigrate.errors import APIError, MigrateError, TransportError


class Operation(Enum):
    """What was asked of the server."""

    LOOK_UP = auto()  # GET a CRD
    LIST = auto()
    REWRITE = auto()
    LOOK_AT = auto()  # GET an object's metadata, which no admission webhook can answer
    TRIM = auto()


class Action(Enum):
    """What an error means for the call that it ended."""

    NEW = auto()  # looked up and not there: nothing to migrate
    GONE = auto()  # it was there and is not any more: settled, once that is certain
    LOOK = auto()  # a GET says whether the object is gone
    RETRY = auto()
    ISOLATE = auto()  # an object on the page cannot be converted: find it, and list the others
    RESUME = auto()  # go on with the token in the 410's body, or start the list over
    RECHECK = auto()  # read the CRD again and decide anew
    FAIL = auto()


class Health(Enum):
    """What an answer says about how much the server can take."""

    GOOD = auto()
    STRAINED = auto()  # what this CRD's requests meet: its webhook, its etcd, the way there
    FULL = auto()  # the server as a whole


# What is not in it fails.
_ACTIONS: dict[Cause, Action | dict[Operation, Action]] = {
    Cause.WEBHOOK_DOWN: Action.RETRY,
    Cause.REINITIALIZING: Action.RETRY,
    Cause.SERVER_FULL: Action.RETRY,
    Cause.SERVER_ERROR: Action.RETRY,
    Cause.NO_ANSWER: Action.RETRY,
    Cause.UNREACHABLE: Action.RETRY,
    Cause.WRONG_ADDRESS: Action.RETRY,
    Cause.UNCONVERTIBLE: dict.fromkeys(Operation, Action.RETRY) | {Operation.LIST: Action.ISOLATE},
    Cause.NOT_FOUND: {
        Operation.LOOK_UP: Action.NEW,
        Operation.LIST: Action.GONE,
        Operation.REWRITE: Action.LOOK,
        Operation.LOOK_AT: Action.GONE,
        Operation.TRIM: Action.RECHECK,
    },
    Cause.CONFLICT: {Operation.REWRITE: Action.RETRY, Operation.TRIM: Action.RECHECK},
    Cause.EXPIRED: {Operation.LIST: Action.RESUME},
}
# If it was never otherwise, the address is most likely wrong.
_NOT_THERE = frozenset({Cause.UNREACHABLE, Cause.WRONG_ADDRESS})
# What requests meet while etcd or the API server is restarted, or a backup is put back: from what stands in front, too.
_OUTAGE = frozenset(
    {
        Cause.SERVER_ERROR,
        Cause.NO_ANSWER,
        Cause.UNREACHABLE,
        Cause.REINITIALIZING,
        Cause.WRONG_ADDRESS,
        Cause.TLS,
    }
)
# A webhook that is down says nothing of the server, and yet fewer requests should wait for it.
_STRAINED = _OUTAGE | {Cause.WEBHOOK_DOWN}


def classify(operation: Operation, error: MigrateError, *, contacted: bool = True) -> Action:
    """Say what `error` means for `operation`.

    `contacted` tells whether this server has answered before: an address that never did is most likely wrong, and a
    person at a terminal should not wait for it.
    """
    cause = cause_of(error)
    if cause in _NOT_THERE and not contacted:
        return Action.FAIL
    found = _ACTIONS.get(cause, Action.FAIL)
    return found.get(operation, Action.FAIL) if isinstance(found, dict) else found


def health_of(error: MigrateError) -> Health:
    """Say what an error tells about the server: whether fewer requests should be in flight, and whose."""
    cause = cause_of(error)
    if cause is Cause.SERVER_FULL:
        return Health.FULL
    return Health.STRAINED if cause in _STRAINED else Health.GOOD


def reason_of(error: MigrateError) -> str:
    """The error in one CamelCase word: Kubernetes' reason, or ours where no answer came."""
    return error.status.reason if isinstance(error, APIError) else type(error).__name__.removesuffix("Error")


def is_webhook_down(error: Exception) -> bool:
    """Tell a webhook that does not answer from one that says no; certificates being rotated take 60 to 90 s."""
    return cause_of(error) is Cause.WEBHOOK_DOWN


def is_outage(error: Exception) -> bool:
    """Tell an error that a restart of the server or of etcd would cause, among others."""
    return cause_of(error) in _OUTAGE


def is_refusal(error: MigrateError) -> bool:
    """Tell whether an error means that the cluster cannot be reached or refuses us, whatever we ask for."""
    return isinstance(error, TransportError) or cause_of(error) in {Cause.UNAUTHORIZED, Cause.FORBIDDEN}
