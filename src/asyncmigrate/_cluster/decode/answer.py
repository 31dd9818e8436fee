"""What all decoders share: a body must be the kind of object that was asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from asyncmigrate._cluster.error_status import UNDECODABLE, excerpt
from asyncmigrate.errors import BadAnswerError

T = TypeVar("T")


class ListMeta(msgspec.Struct, rename="camel"):
    """A list's metadata."""

    continue_: str = msgspec.field(default="", name="continue")
    resource_version: str = ""
    remaining_item_count: int | None = None


def decoded(decode: Callable[[bytes], T], body: bytes, wanted: str) -> T:
    try:
        return decode(body)
    except UNDECODABLE as error:
        raise BadAnswerError(f"the answer is no {wanted} ({error}): {excerpt(body)}") from error


def check_kind(kind: str, wanted: str, body: bytes) -> None:
    if kind != wanted:
        named = excerpt(kind.encode()) or "nameless kind"
        raise BadAnswerError(f"the answer is a {named}, not a {wanted}: {excerpt(body)}")
