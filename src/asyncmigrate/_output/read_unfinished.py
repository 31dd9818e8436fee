"""Reads the file that `--retry-failed` names: a report as JSON or YAML."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TypeVar

from asyncmigrate._manifests.exact_yaml import read as read_yaml
from asyncmigrate._manifests.limits import MOST_BYTES, too_large
from asyncmigrate._manifests.text import decoded
from asyncmigrate._output.read_json import converted, is_none_of
from asyncmigrate._results.fleet import FleetReport
from asyncmigrate._results.report import Report
from asyncmigrate._results.unfinished import Unfinished
from asyncmigrate.errors import ManifestError, UsageError

_Result = TypeVar("_Result", Report, FleetReport)
# Half a surrogate pair as PyYAML writes it, from a file name that is no UTF-8: other readers of YAML refuse it.
_HALF_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


def read_unfinished(path: str) -> tuple[Unfinished, ...]:
    """What the run whose report is in a file left to do; the file is what `-o json` or `-o yaml` wrote.

    Raises:
        UsageError: the file cannot be read, is too large, is no report, or is that of a rehearsal.
    """
    return _read(path, Report).unfinished


def read_fleet(path: str) -> FleetReport:
    """The same for a run on several clusters."""
    return _read(path, FleetReport)


def _read(path: str, kind: type[_Result]) -> _Result:
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    if len(raw) > MOST_BYTES:
        raise UsageError(str(too_large(path, MOST_BYTES)))
    try:
        whole = json.loads(raw)
    except (ValueError, RecursionError) as error:
        whole = _from_yaml(raw, path, is_none_of(path, kind), not_json=error)
    report = converted(whole, kind, is_none_of(path, kind))
    if report.dry_run:
        raise UsageError(f"{path} is the report of a rehearsal, which wrote nothing: run without it")
    return report


def _from_yaml(raw: bytes, path: str, what: str, *, not_json: Exception) -> object:
    """The one document of a YAML file, within the bounds that manifests have."""
    if not raw.strip() or raw.lstrip().startswith((b"{", b"[")):
        raise UsageError(f"{what}: {not_json}") from not_json
    try:
        found = read_yaml(_HALF_PAIR.sub(r"\1\\uFFFD", decoded(raw, path)))
    except ManifestError as error:
        raise UsageError(str(error)) from error
    except ValueError as error:
        raise UsageError(f"{what}: {error}") from error
    if len(found) != 1:
        raise UsageError(f"{what}: it has {len(found)} documents")
    return found[0]
