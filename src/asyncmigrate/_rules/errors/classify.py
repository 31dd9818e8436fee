"""Which errors end a call at once and which are worth another try: operation x status decides, and nothing else does.

`Status.reason` comes before the bare code, for a proxy in front may change the code but hardly ever the body.
"""

from __future__ import annotations

from enum import Enum, auto

from asyncmigrate.errors import APIError, MigrateError, TLSError, TransportError, UnreachableError


class Operation(Enum):
    """What was asked of the server."""

    LOOK_UP = auto()
    LIST = auto()
    REWRITE = auto()
    TRIM = auto()


class Action(Enum):
    """What an error means for the call that it ended."""

    NEW = auto()  # looked up and not there: nothing to migrate
    GONE = auto()  # it was there and is not any more: settled, once that is certain
    RETRY = auto()
    ISOLATE = auto()  # an object on the page cannot be converted: find it, and list the others
    RESUME = auto()  # go on with the token in the 410's body, or start the list over
    RECHECK = auto()  # read the CRD again and decide anew
    FAIL = auto()


# apimachinery's metav1.StatusReason values with the codes that NewXxx gives them.
CODE_OF_REASON = {
    "Unauthorized": 401,
    "Forbidden": 403,
    "NotFound": 404,
    "AlreadyExists": 409,
    "Conflict": 409,
    "Gone": 410,
    "Expired": 410,
    "Invalid": 422,
    "ServerTimeout": 500,
    "StoreReadError": 500,
    "Timeout": 504,
    "TooManyRequests": 429,
    "BadRequest": 400,
    "MethodNotAllowed": 405,
    "NotAcceptable": 406,
    "RequestEntityTooLarge": 413,
    "UnsupportedMediaType": 415,
    "InternalError": 500,
    "ServiceUnavailable": 503,
}
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})

_NOT_FOUND = {
    Operation.LOOK_UP: Action.NEW,
    Operation.LIST: Action.GONE,
    Operation.REWRITE: Action.GONE,
    Operation.TRIM: Action.GONE,
}


def effective_code(error: APIError) -> int:
    return CODE_OF_REASON.get(error.status.reason, error.status.code)


def classify(operation: Operation, error: MigrateError, *, contacted: bool = True) -> Action:
    """Say what `error` means for `operation`.

    `contacted` tells whether this server has answered before: an address that never did is most likely wrong, and a
    person at a terminal should not wait for it.
    """
    if isinstance(error, APIError):
        if operation is Operation.LIST and is_unconvertible(error):
            return Action.ISOLATE
        return _classify_code(operation, effective_code(error))
    if isinstance(error, TLSError):
        return Action.FAIL
    if isinstance(error, UnreachableError):
        return Action.RETRY if contacted else Action.FAIL
    return Action.RETRY if isinstance(error, TransportError) else Action.FAIL


def _classify_code(operation: Operation, code: int) -> Action:
    if code in TRANSIENT:
        return Action.RETRY
    match code, operation:
        case 404, _:
            return _NOT_FOUND[operation]
        case 409, Operation.REWRITE:
            return Action.RETRY
        case 409, Operation.TRIM:
            return Action.RECHECK
        case 410, Operation.LIST:
            return Action.RESUME
    return Action.FAIL


def reason_of(error: MigrateError) -> str:
    """The error in one CamelCase word: Kubernetes' reason, or ours where no answer came."""
    return error.status.reason if isinstance(error, APIError) else type(error).__name__.removesuffix("Error")


def is_transient(error: BaseException) -> bool:
    """Tell whether an error can get better by itself: 408, 425, 429, 500, 502-504, a lost connection, a timeout.

    This is the default filter of `asyncmigrate.retry`.
    """
    return isinstance(error, MigrateError) and classify(Operation.LOOK_UP, error) is Action.RETRY


def is_webhook_down(error: MigrateError) -> bool:
    """Tell a webhook that does not answer from one that says no; certificates being rotated take 60 to 90 s.

    The API server prefixes both with the same words; only a call that failed carries Go's `Post "<url>"`.
    """
    if not isinstance(error, APIError) or effective_code(error) != 500:  # noqa: PLR2004 -- InternalError
        return False
    message = error.status.message
    return "failed calling webhook" in message or ("conversion webhook for" in message and 'Post "' in message)


_UNCONVERTIBLE = (
    "conversion webhook for",
    "request to convert CR from an invalid group/version",
    "unable to convert",
    "object not decodable",
)


def is_unconvertible(error: MigrateError) -> bool:
    """Tell a stored object that the server cannot decode or convert, which fails every list that it is on."""
    if not isinstance(error, APIError) or effective_code(error) != 500 or is_webhook_down(error):  # noqa: PLR2004
        return False
    return any(words in error.status.message for words in _UNCONVERTIBLE)


def is_server_full(error: MigrateError) -> bool:
    """Tell a server that lets no more in, whoever asks for what; one that reads a CRD's objects anew is not full."""
    if not isinstance(error, APIError) or effective_code(error) != 429:  # noqa: PLR2004 -- TooManyRequests
        return False
    return "storage is (re)initializing" not in error.status.message


def means_overload(error: MigrateError) -> bool:
    """Tell whether an error says that there is too much in flight, so that the window is cut."""
    if isinstance(error, APIError):
        return effective_code(error) in TRANSIENT and not is_unconvertible(error)
    return isinstance(error, TransportError)


def is_refusal(error: MigrateError) -> bool:
    """Tell whether an error means that the cluster cannot be reached or refuses us, whatever we ask for."""
    if isinstance(error, APIError):
        return effective_code(error) in {401, 403}
    return isinstance(error, TransportError)
