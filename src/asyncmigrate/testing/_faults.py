"""Faults to order: what goes wrong, for which requests, and how often."""

from __future__ import annotations

from typing import Any

import msgspec

from asyncmigrate.testing._status import CODES, StatusError, internal_error

# The reason that goes with a code where none is ordered; of the two for 409, the one that a write meets.
_REASONS = {code: reason for reason, code in CODES.items()}


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What a request is about. `verb` is RBAC's: get, list, create, update, patch, delete."""

    verb: str
    resource: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""


class Fault(msgspec.Struct, kw_only=True):
    """One ordered fault; what is None matches everything.

    Attributes:
        verb, resource, namespace, name: which requests; `resource` is `<plural>.<group>`, as a CRD is named.
        times: how many requests it meets before it is spent; None for as long as it is ordered.
        hits: how many it has met.
        seconds: wait so long first.
        status: then answer so, with `headers`; None goes on as usual.
        plain: answer with just the message as text, as priority and fairness does.
        drop: close the connection: `before` the request is acted on, or `after`, with the answer lost.
    """

    verb: str | None = None
    resource: str | None = None
    namespace: str | None = None
    name: str | None = None
    times: int | None = None
    hits: int = 0
    seconds: float = 0.0
    status: Any = None
    plain: bool = False
    drop: str = ""

    def meets(self, target: Target) -> bool:
        if self.times is not None and self.hits >= self.times:
            return False
        wanted = (self.verb, self.resource, self.namespace, self.name)
        held = (target.verb, target.resource, target.namespace, target.name)
        return all(w is None or w == h for w, h in zip(wanted, held, strict=True))


class Faults:
    """The faults ordered from one server. Each method orders one and returns it; `hits` counts what it met.

    All take `verb`, `resource`, `namespace`, `name` to say which requests, and `times` for how many of them.
    """

    def __init__(self) -> None:
        self.ordered: list[Fault] = []
        self.unconvertible_objects: list[Fault] = []

    def clear(self) -> None:
        """Withdraw all."""
        self.ordered.clear()
        self.unconvertible_objects.clear()

    def _order(self, match: dict[str, Any], **what: Any) -> Fault:  # noqa: ANN401 -- a Fault's own fields
        fault = Fault(**match, **what)
        self.ordered.append(fault)
        return fault

    def delay(self, seconds: float, **match: Any) -> Fault:  # noqa: ANN401
        """Answer as usual, but so much later, as with an admission webhook that takes its time.

        The request has begun: if the storage version moves meanwhile, it is stored in the old one.
        """
        return self._order(match, seconds=seconds)

    def answer(
        self,
        code: int,
        *,
        reason: str = "InternalError",
        message: str = "an ordered fault",
        retry_after: int | None = None,
        plain: bool = False,
        **match: Any,  # noqa: ANN401
    ) -> Fault:
        """Answer with an error: a Status, or as `plain` text, with Retry-After in seconds if given."""
        status = StatusError(reason, message, code=code, retry_after=retry_after)
        return self._order(match, status=status, plain=plain)

    def hang(self, seconds: float, **match: Any) -> Fault:  # noqa: ANN401
        """Have an admission webhook hang until its timeout of `seconds`, and answer 500 as the API server does then."""
        why = (
            'failed calling webhook "hang.example.com": failed to call webhook: '
            f'Post "https://hang.example.svc:443/?timeout={seconds:g}s": context deadline exceeded'
        )
        return self._order(match, seconds=seconds, status=internal_error(why))

    def drop(self, *, after: bool = False, **match: Any) -> Fault:  # noqa: ANN401
        """Close the connection unanswered, before the request is acted on or `after`."""
        return self._order(match, drop="after" if after else "before")

    def deny(
        self,
        *,
        code: int = 403,
        reason: str = "",
        message: str = "not allowed by policy",
        details: dict[str, Any] | None = None,
        **match: Any,  # noqa: ANN401
    ) -> Fault:
        """Have an admission webhook deny writes, with any code, and the reason that goes with it unless one is given.

        `details` are the Status' own, as a webhook may send any: the name of an object with a 404, or
        retryAfterSeconds with a 429, which also makes a Retry-After header.
        """
        words = f'admission webhook "policy.example.com" denied the request: {message}'
        status = StatusError(reason or _REASONS.get(code, "Forbidden"), words, code=code, details=details)
        return self._order({"verb": "patch"} | match, status=status)

    def unconvertible(self, *, resource: str, name: str, namespace: str | None = None) -> Fault:
        """Make one stored object fail to convert: reading it answers 500, and so does every page that it is on."""
        fault = Fault(resource=resource, name=name, namespace=namespace)
        self.unconvertible_objects.append(fault)
        return fault

    def met_by(self, target: Target) -> list[Fault]:
        """The faults that a request meets, counted."""
        met = [f for f in self.ordered if f.meets(target)]
        for fault in met:
            fault.hits += 1
        return met
