"""Leaves schemas out of the text of CRD manifests: some 95 % of it, and no decision depends on them."""

from __future__ import annotations

import re
from functools import cache

# A key on a line of its own below one of the keys that v1 and v1beta1 have it under, in block style.
_SCHEMA = re.compile(r"\b(?:schema|validation):[ ]*(?P<line>\n(?P<indent> +)openAPIV3Schema:[ ]*(?=\n))")


@cache
def _end(indent: int) -> re.Pattern[str]:
    """The end of the line before the first that is no deeper than the key, and neither empty nor a comment."""
    return re.compile(rf"\n {{0,{indent}}}+[^ \n#]")


def without_schemas(text: str) -> str:
    """Leave out what is indented below each `openAPIV3Schema:` that stands on a line of its own.

    In YAML whatever belongs to such a key is indented deeper than it, comments and empty lines aside. What is left
    says the same but for schemas that are null; a text in another style (JSON, flow style) is left as it is. A block
    of text that holds such a key, a manifest in a ConfigMap say, is cut short too: nothing that is read is one.
    """
    kept = []
    start = 0
    while found := _SCHEMA.search(text, start):
        kept.append(text[start : found.end()])
        end = _end(len(found["indent"])).search(text, found.end())
        start = end.start() if end else len(text)
    return "".join(kept) + text[start:]
