"""Makes other people's words safe to show. Names, messages and paths may hold anything.

What steers a terminal, turns the direction of writing round or starts a new line is shown as an escape, so that no name
can forge a line or hide one.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
from rich.text import Text

# C0, DEL and C1; marks, embeddings, overrides and isolates of direction; separators; halves of surrogate pairs, which
# stand for the bytes of file names that are no UTF-8.
_RANGES = r"\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_UNSAFE = re.compile(rf"[\x00-\x1f{_RANGES}]")
_UNSAFE_IN_JSON = re.compile(f"[{_RANGES}]")  # C0 is escaped already


def clean(words: str) -> str:
    r"""The words on one line, with `\x1b` and the like in place of what is not to reach a terminal."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), words)


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
