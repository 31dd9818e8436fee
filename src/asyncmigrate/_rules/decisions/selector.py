"""Label selectors, parsed and matched: the equality- and set-based forms that kubectl's `-l` takes."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from asyncmigrate.errors import UsageError

_KEY = r"(?:[A-Za-z0-9.-]{1,253}/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?"
_EQUALITY = re.compile(rf"\s*({_KEY})\s*(==|=|!=)\s*({_VALUE})\s*")
_SET = re.compile(rf"\s*({_KEY})\s+(in|notin)\s*\(([^()]*)\)\s*")
_EXISTS = re.compile(rf"\s*(!?)\s*({_KEY})\s*")


class Requirement(msgspec.Struct, frozen=True):
    """`key` must (or, negated, must not) have one of `values`; with `values` None it must (not) be there."""

    key: str
    values: frozenset[str] | None
    negated: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        held = labels.get(self.key)
        found = held is not None if self.values is None else held in self.values
        return found is not self.negated


class Selector(msgspec.Struct, frozen=True):
    """All requirements must hold; none means that everything matches."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(r.matches(labels) for r in self.requirements)


def parse_selector(text: str) -> Selector:
    """Parse `app=web,tier!=cache,env in (a,b),!legacy`; raises UsageError with the part that is wrong."""
    if not isinstance(text, str):
        raise UsageError(f"selector is {text!r}: give a text such as app=web; an empty one selects all")
    if not text.strip():
        return Selector()
    return Selector(tuple(_requirement(part) for part in re.split(r",(?![^(]*\))", text)))


def _requirement(part: str) -> Requirement:
    if match := _EQUALITY.fullmatch(part):
        key, operator, value = match.groups()
        return Requirement(key, frozenset({value}), negated=operator == "!=")
    if match := _SET.fullmatch(part):
        key, operator, values = match.groups()
        names = frozenset(v.strip() for v in values.split(","))
        if all(re.fullmatch(_VALUE, name) for name in names):
            return Requirement(key, names, negated=operator == "notin")
    if match := _EXISTS.fullmatch(part):
        negation, key = match.groups()
        return Requirement(key, None, negated=bool(negation))
    raise UsageError(f"label selector: cannot read {part.strip()!r}; write key=value, key in (a,b), key or !key")
