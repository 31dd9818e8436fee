"""Makes other people's words safe to show: as a line of text, and in JSON."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
from rich.text import Text

from asyncmigrate._rules.decisions.safe_text import UNSAFE_BEHIND_C0, clean

__all__ = ["as_json", "clean", "line"]

_UNSAFE_IN_JSON = re.compile(f"[{UNSAFE_BEHIND_C0}]")  # C0 is escaped already


def line(words: str, style: str = "") -> Text:
    """One line of text, cleaned."""
    return Text(clean(words), style)


def as_json(whole: object) -> str:
    """Indented JSON, which says the same with what is not to reach a terminal escaped."""
    try:
        text = msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()
    except UnicodeEncodeError:  # half a surrogate pair, which is no UTF-8
        plain: Any = msgspec.to_builtins(whole)
        text = json.dumps(plain, indent=2)
    return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def json_line(whole: object) -> bytes:
    """The same on one line, which it ends."""
    try:
        data = msgspec.json.encode(whole)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(whole)).encode() + b"\n"
    if not data.isascii() or b"\x7f" in data:
        data = _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", data.decode()).encode()
    return data + b"\n"
