"""Other people's words on one line, and as long as they may be. Names, messages and paths may hold anything.

What steers a terminal, turns the direction of writing round or starts a new line is shown as an escape, so that no name
can forge a line or hide one.
"""

from __future__ import annotations

import re

# DEL and C1; marks, embeddings, overrides and isolates of direction; separators; halves of surrogate pairs, which stand
# for the bytes of file names that are no UTF-8. C0 comes before them.
UNSAFE_BEHIND_C0 = r"\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_UNSAFE = re.compile(rf"[\x00-\x1f{UNSAFE_BEHIND_C0}]")
_CUT = "…"


def clean(words: str) -> str:
    r"""The words on one line, with `\x1b` and the like in place of what is not to reach a terminal."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), words)


def cut(words: str, most: int) -> str:
    """The words, already clean, in at most `most` bytes of UTF-8: no character is cut in two."""
    data = words.encode()
    if len(data) <= most:
        return words
    return data[: most - len(_CUT.encode())].decode(errors="ignore").rstrip() + _CUT
