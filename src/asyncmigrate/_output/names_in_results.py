"""Checks the names in results that are read back: they may have been edited, and go into URLs."""

from __future__ import annotations

import re

from asyncmigrate._model import CRD

# Kubernetes' own rules (IsDNS1035Label and IsDNS1123Subdomain in apimachinery's validation.go): a CRD's plural and
# versions are labels, its group is a subdomain.
_LABEL = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_PART = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_PART}(?:\.{_PART})*\Z")


def problem_with(name: str, found: CRD | None, *, is_worked_on: bool) -> str:
    """What is wrong with the names of one entry; empty if nothing is.

    Args:
        name: the entry's.
        found: its CRD, if it has one. Else the name may be one that somebody mistyped.
        is_worked_on: its objects are to be rewritten, or were.
    """
    if found is None:
        is_good = _SUBDOMAIN.match(name) or not is_worked_on
        return "" if is_good else f"{name!a} is no CRD's name, which is <plural>.<group>"
    if not name == found.name == f"{found.plural}.{found.group}":
        live = f"{found.name!a} with plural {found.plural!a} and group {found.group!a}"
        return f"{name!a} has another CRD in it: {live}"
    if not (_LABEL.match(found.plural) and _SUBDOMAIN.match(found.group)):
        return f"{name!a} is no CRD's name, which is <plural>.<group>"
    versions = (*(v.name for v in found.versions), *found.stored_versions, *found.alike)
    wrong = next((v for v in versions if not _LABEL.match(v)), None)
    return "" if wrong is None else f"{name!a} has a version {wrong!a}, which is no version's name"
