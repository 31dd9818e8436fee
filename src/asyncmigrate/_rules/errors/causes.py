"""What an error is: one closed set of causes. No other module reads the text of a server's message.

`Status.reason` comes before the bare code: a proxy in front may change the code, but hardly ever the body.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from http import HTTPStatus

from asyncmigrate._model import Status
from asyncmigrate.errors import (
    APIError,
    MigrateError,
    TLSError,
    TransportError,
    UnreachableError,
    WrongAddressError,
)


class Cause(Enum):
    """Why a call did not succeed."""

    DENIED = auto()  # admission says no to this one request, whatever code it chose
    WEBHOOK_DOWN = auto()  # a webhook did not answer
    UNCONVERTIBLE = auto()  # a stored object cannot be decoded or converted
    REINITIALIZING = auto()  # the server reads a CRD's objects again: normal for a moment after a CRD change
    SERVER_FULL = auto()  # the server lets no more in, whoever asks
    SERVER_ERROR = auto()
    UNAUTHORIZED = auto()
    FORBIDDEN = auto()
    NOT_FOUND = auto()
    CONFLICT = auto()
    EXPIRED = auto()
    TOO_LARGE = auto()  # the object is larger than the server or etcd takes, however often it is sent
    REFUSED = auto()  # any other 4xx, 501
    NO_ANSWER = auto()  # the connection was lost, or no whole answer came in time
    UNREACHABLE = auto()
    TLS = auto()
    WRONG_ADDRESS = auto()
    OURS = auto()  # nothing that a server said: a bad kubeconfig, wrong usage


# apimachinery's metav1.StatusReason values with the codes that NewXxx gives them (pkg/api/errors/errors.go).
_CODE_OF_REASON: dict[str, int] = {
    "Unauthorized": HTTPStatus.UNAUTHORIZED,
    "Forbidden": HTTPStatus.FORBIDDEN,
    "NotFound": HTTPStatus.NOT_FOUND,
    "AlreadyExists": HTTPStatus.CONFLICT,
    "Conflict": HTTPStatus.CONFLICT,
    "Gone": HTTPStatus.GONE,
    "Expired": HTTPStatus.GONE,
    "Invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
    "ServerTimeout": HTTPStatus.INTERNAL_SERVER_ERROR,
    "StoreReadError": HTTPStatus.INTERNAL_SERVER_ERROR,
    "Timeout": HTTPStatus.GATEWAY_TIMEOUT,
    "TooManyRequests": HTTPStatus.TOO_MANY_REQUESTS,
    "BadRequest": HTTPStatus.BAD_REQUEST,
    "MethodNotAllowed": HTTPStatus.METHOD_NOT_ALLOWED,
    "NotAcceptable": HTTPStatus.NOT_ACCEPTABLE,
    "RequestEntityTooLarge": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "UnsupportedMediaType": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "InternalError": HTTPStatus.INTERNAL_SERVER_ERROR,
    "ServiceUnavailable": HTTPStatus.SERVICE_UNAVAILABLE,
}
_CAUSE_OF_CODE: dict[int, Cause] = {
    HTTPStatus.UNAUTHORIZED: Cause.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN: Cause.FORBIDDEN,
    HTTPStatus.NOT_FOUND: Cause.NOT_FOUND,
    HTTPStatus.CONFLICT: Cause.CONFLICT,
    HTTPStatus.GONE: Cause.EXPIRED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Cause.TOO_LARGE,
    HTTPStatus.TOO_MANY_REQUESTS: Cause.SERVER_FULL,
    HTTPStatus.REQUEST_TIMEOUT: Cause.SERVER_ERROR,
    HTTPStatus.TOO_EARLY: Cause.SERVER_ERROR,
    HTTPStatus.INTERNAL_SERVER_ERROR: Cause.SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY: Cause.SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE: Cause.SERVER_ERROR,
    HTTPStatus.GATEWAY_TIMEOUT: Cause.SERVER_ERROR,
    # A proxy's own words that the server behind it cannot be reached or does not answer (Cloudflare's, and others').
    **dict.fromkeys(range(520, 530), Cause.SERVER_ERROR),
}
# The first that an error is an instance of.
_CAUSE_OF_ERROR: tuple[tuple[type[MigrateError], Cause], ...] = (
    (WrongAddressError, Cause.WRONG_ADDRESS),
    (TLSError, Cause.TLS),
    (UnreachableError, Cause.UNREACHABLE),
    (TransportError, Cause.NO_ANSWER),
)

_DENIED = re.compile(
    # apiserver pkg/admission/plugin/webhook/errors/statuserror.go: the webhook's own Status, after these words.
    r'^admission webhook "[^"]*" denied the request'
    # apiserver pkg/admission/plugin/policy/validating/dispatcher.go and generic/policy_dispatcher.go.
    r"|(?:^|: )(?:ValidatingAdmissionPolicy|policy) ['\"].* denied request: "
)
_WEBHOOK_NOT_CALLED = (
    "failed calling webhook"  # apiserver pkg/admission/plugin/webhook/{validating,mutating}/dispatcher.go
)
_CONVERSION = "conversion webhook for"  # apiextensions-apiserver pkg/apiserver/conversion/webhook_converter.go
# Go's net/url.Error, and client-go's words for a 5xx that is no Status (rest/request.go), from a proxy or a mesh: a
# webhook that cannot convert an object says so in neither.
_CALL_FAILED = ('Post "', 'an error on the server ("')
_UNCONVERTIBLE = (
    _CONVERSION,
    "request to convert CR from an invalid group/version",  # apiextensions-apiserver .../conversion/converter.go
    "unable to convert",
    "object not decodable",
)
# apiserver pkg/endpoints/handlers/rest.go, isTooLargeError: etcd's words, and gRPC's own before etcd is asked. They
# come with a bare 500 (pkg/endpoints/handlers/responsewriters/status.go).
_TOO_LARGE = ("etcdserver: request is too large", "trying to send message larger than max")
_REINITIALIZING = "storage is (re)initializing"  # apiserver pkg/storage/cacher/cacher.go


def cause_of(error: BaseException) -> Cause:
    """Say what an error is."""
    if isinstance(error, APIError):
        return _cause_of_status(error.status)
    return next((cause for kind, cause in _CAUSE_OF_ERROR if isinstance(error, kind)), Cause.OURS)


def _cause_of_status(status: Status) -> Cause:
    if is_denial(status.message):
        return Cause.DENIED
    code = _CODE_OF_REASON.get(status.reason, status.code)
    message = status.message
    if code == HTTPStatus.INTERNAL_SERVER_ERROR:
        if _WEBHOOK_NOT_CALLED in message or (
            _CONVERSION in message and any(words in message for words in _CALL_FAILED)
        ):
            return Cause.WEBHOOK_DOWN
        if any(words in message for words in _UNCONVERTIBLE):
            return Cause.UNCONVERTIBLE
        if any(words in message for words in _TOO_LARGE):
            return Cause.TOO_LARGE
    if code == HTTPStatus.TOO_MANY_REQUESTS and _REINITIALIZING in message:
        return Cause.REINITIALIZING
    return _CAUSE_OF_CODE.get(code, Cause.REFUSED)


def is_denial(message: str) -> bool:
    """Tell the words of an admission webhook or policy that denies: they speak of one request and of nothing else.

    The API server passes a webhook's Status through with any code: controller-runtime returns the error of whatever the
    webhook looked up, so that a 404, a 401 or a 429 in it is about something else.
    """
    return _DENIED.search(message) is not None


def is_about(status: Status, group: str, plural: str, name: str) -> bool:
    """Tell whether a Status speaks of just this object: its details name the group, the resource and the name."""
    return (status.details_group, status.details_kind, status.details_name) == (group, plural, name)
