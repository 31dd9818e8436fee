"""Reads YAML as kubectl does, within bounds: YAML 1.1 with its old booleans, aliases without copies, tags left aside.

The parser is libyaml, which kubectl's is a port of; what is made of its events follows go.yaml.in/yaml/v2 (decode.go,
resolve.go). Nothing is copied for an alias: it is the same object once more. Nothing can be inside itself.
"""

from __future__ import annotations

import re
import time
from typing import Any

import msgspec
import yaml

from asyncmigrate._manifests.limits import MOST_VALUES, TOO_MANY_VALUES

_MOST_SECONDS = 60  # of CPU; a guess: 128 MiB take a quarter of it
_MOST_LEVELS = 1_000  # a guess; the schemas of real CRDs have less than 100
_MOST_TAG_DIRECTIVES = 1_000  # the parser compares each with all the others, in one step of which no clock knows
_LOOK_EVERY = 4_096  # events, at the clock

_WORDS: dict[str, object] = {
    **dict.fromkeys(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"], True),
    **dict.fromkeys(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"], False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **{sign + word: float(sign + word[1:]) for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")},
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_INT = re.compile(r"[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_CORE = "tag:yaml.org,2002:"
# A value with another tag is text (`!x 1`, `!!str 1`); sequences and maps are what they are.
_RESOLVED = frozenset(f"{_CORE}{name}" for name in ("bool", "int", "float", "null"))
_NO_KEY, _MERGE = object(), object()


class _Anchor(msgspec.Struct):
    """What an anchor stands for. `size` counts its values, aliases written out; 0 until it has ended."""

    value: Any
    size: int = 0


class _Open(msgspec.Struct):
    """A sequence or map that has not ended."""

    value: Any
    anchor: _Anchor | None
    key: object = _NO_KEY
    size: int = 1


def read(text: str, *, most: int = MOST_VALUES, within: float = _MOST_SECONDS) -> list[object]:
    """Every document of a text, in built-in types; keys are text.

    Args:
        text: the text.
        most: values that it may have.
        within: seconds of CPU, which are a bound of the text however busy the machine is.

    Raises:
        ValueError: it is no YAML, or it exceeds a bound; one line that says where, or which bound.
    """
    if text.count("\n%TAG") > _MOST_TAG_DIRECTIVES:
        raise ValueError(f"more than {_MOST_TAG_DIRECTIVES:,} %TAG directives")
    documents = _Documents(most)
    until = time.thread_time() + within
    # Events do not nest: deep nesting overflows no stack, as it would in the loaders.
    events = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    try:
        for number, event in enumerate(events):
            documents.take(event)
            if number % _LOOK_EVERY == 0 and time.thread_time() > until:
                raise ValueError(f"not read within {within:g} s{_at(event)}")
    except yaml.MarkedYAMLError as error:
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise ValueError(f"not valid YAML: {said}{_at(error)}") from error
    except yaml.reader.ReaderError as error:
        line = text.encode()[: error.position].count(b"\n") + 1
        raise ValueError(f"not valid YAML: {error.reason} at line {line}") from error
    return documents.read


class _Documents:
    """Builds documents out of events."""

    def __init__(self, most: int) -> None:
        self.read: list[object] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, _Anchor] = {}
        self._left = most  # values that the text may still have
        self._size = 0  # of this document, aliases written out
        self._aliased = 0  # of that, by aliases

    def take(self, event: Any) -> None:  # noqa: ANN401 -- any event of yaml's
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._count()
            self._put(_resolved(event), 1, self._anchor(event), event)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            self._begin({} if kind is yaml.MappingStartEvent else [], event)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            ended = self._open.pop()
            self._put(ended.value, ended.size, ended.anchor, event)
        elif kind is yaml.AliasEvent:
            self._follow(event)
        elif kind is yaml.DocumentStartEvent:
            self._anchors, self._size, self._aliased = {}, 0, 0

    def _count(self) -> None:
        self._left -= 1
        self._size += 1
        if self._left < 0:
            raise ValueError(TOO_MANY_VALUES)

    def _anchor(self, event: Any) -> _Anchor | None:  # noqa: ANN401
        if event.anchor is None:
            return None
        self._anchors[event.anchor] = anchor = _Anchor(None)  # a later one of the same name takes its place
        return anchor

    def _begin(self, value: dict[str, object] | list[object], event: Any) -> None:  # noqa: ANN401
        self._count()
        if len(self._open) >= _MOST_LEVELS:
            raise ValueError(f"nested more than {_MOST_LEVELS:,} levels deep{_at(event)}")
        self._open.append(_Open(value, self._anchor(event)))

    def _follow(self, event: Any) -> None:  # noqa: ANN401
        anchor = self._anchors.get(event.anchor)
        if anchor is None:
            raise ValueError(
                f"not valid YAML: alias *{event.anchor} stands for nothing that comes before it{_at(event)}"
            )
        if not anchor.size:
            raise ValueError(f"not valid YAML: alias *{event.anchor} stands inside of what it stands for{_at(event)}")
        self._size += 1 + anchor.size  # the alias, and what it stands for
        self._aliased += anchor.size
        if _is_excessive(self._size, self._aliased):
            raise ValueError(f"aliases make {self._size:,} values of it, too many (for kubectl, too){_at(event)}")
        self._put(anchor.value, 1 + anchor.size, None, event)

    def _put(self, value: object, size: int, anchor: _Anchor | None, event: Any) -> None:  # noqa: ANN401
        """Put a value where it belongs: into what is open, as a key or a value there; or at the top."""
        if anchor is not None:
            anchor.value, anchor.size = value, size
        if not self._open:
            self.read.append(value)
            return
        into = self._open[-1]
        into.size += size
        if type(into.value) is list:
            into.value.append(value)
        elif into.key is _NO_KEY:
            into.key = _MERGE if _is_merge(event) else _key(value, event)
        else:
            if into.key is _MERGE:
                _merge(into.value, value, event)
            else:
                into.value[into.key] = value
            into.key = _NO_KEY


def _is_excessive(size: int, aliased: int) -> bool:
    """What kubectl refuses (allowedAliasRatio in go.yaml.in/yaml/v2, decode.go): some 400,000 values by aliases."""
    low, high, most = 400_000, 4_000_000, 0.99
    ratio = most - 0.89 * (min(max(size, low), high) - low) / (high - low)
    return aliased > 100 and size > 1_000 and aliased / size > ratio  # noqa: PLR2004 -- theirs


def _is_merge(event: Any) -> bool:  # noqa: ANN401
    return type(event) is yaml.ScalarEvent and event.value == "<<" and event.implicit[0]


def _merge(into: dict[str, object], value: object, event: Any) -> None:  # noqa: ANN401
    """What comes later wins, as in kubectl; of several maps the first."""
    for one in reversed(value) if isinstance(value, list) else [value]:
        if not isinstance(one, dict):
            raise ValueError(f"not valid YAML: << wants a map, or a list of maps{_at(event)}")  # noqa: TRY004 -- of the text
        into.update(one)


def _key(value: object, event: Any) -> str:  # noqa: ANN401
    """A key as JSON has it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise ValueError(f"not valid YAML: a key that is no text{_at(event)}")


def _resolved(event: Any) -> object:  # noqa: ANN401
    """A scalar's value. What is quoted is text."""
    said: str = event.value
    is_plain = event.implicit[0] if event.tag is None else event.tag in _RESOLVED
    if not is_plain:
        return said
    if said in _WORDS:
        return _WORDS[said]
    try:
        if _INT.match(said):
            return int(said.replace("_", ""), 8 if said.lstrip("+-").startswith("0") and said.isdigit() else 0)
        return float(said) if _FLOAT.match(said) else said
    except ValueError:  # more digits than Python reads, or 08
        return said


def _at(marked: Any) -> str:  # noqa: ANN401 -- an event or error of yaml's
    mark = getattr(marked, "problem_mark", None) or getattr(marked, "start_mark", None)
    return f" at line {mark.line + 1}" if mark else ""
