"""What programs read: errors as JSON documents, any document as YAML, and a document in a file."""

from __future__ import annotations

import json
import os
import re
import stat
import tempfile
from pathlib import Path

import yaml

from asyncmigrate._output.clean import as_json
from asyncmigrate._output.report_json import API_VERSION
from asyncmigrate.errors import UsageError

_NEW_FILE = 0o666  # less what the umask takes
_ONE_LINE = 1 << 30  # no sentence is folded
# Text that kubectl takes for true, false or a number, and PyYAML does not: an object may be named y, 1e5 or 08.
_QUOTED = {
    "tag:yaml.org,2002:bool": re.compile("[yYnN]\\Z"),
    "tag:yaml.org,2002:float": re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z"),
    "tag:yaml.org,2002:int": re.compile(r"[-+]?(?:0o[0-7_]+|[0-9][0-9_]*)\Z"),
}


class _Dumper(yaml.CSafeDumper):
    """Quotes it."""


class _SlowDumper(yaml.SafeDumper):
    """The same for half a surrogate pair, which libyaml refuses."""


for _tag, _text in _QUOTED.items():
    for _dumper in (_Dumper, _SlowDumper):
        _dumper.add_implicit_resolver(_tag, _text, list("yYnN-+.0123456789"))


def error_json(message: str, *, code: int, reason: str) -> str:
    """An error that ended the command, as one JSON object. `code` is the exit code, `reason` a CamelCase word."""
    whole = {"apiVersion": API_VERSION, "kind": "Error", "code": code, "reason": reason, "message": message}
    return as_json(whole)


def as_yaml(document: str) -> str:
    """A JSON document as YAML; what is not ASCII is escaped, and with it what steers a terminal."""
    whole = json.loads(document)  # msgspec refuses half a surrogate pair
    try:
        text: str = yaml.dump(whole, Dumper=_Dumper, sort_keys=False, width=_ONE_LINE)
    except UnicodeEncodeError:  # so does libyaml, which is five times quicker
        text = yaml.dump(whole, Dumper=_SlowDumper, sort_keys=False, width=_ONE_LINE)
    return text.rstrip("\n")


def check_writable(path: str, flag: str = "--report", advice: str = "without it, -o json prints the document") -> None:
    """Say before the work begins that its result could not be written; `advice` is for who gives `-`.

    Raises:
        UsageError: the file's folder does not exist or may not be written to, or it is a folder itself.
    """
    file = Path(path)
    if path in {"", "-"}:
        raise UsageError(f"{flag} takes a file; {advice}")
    if file.is_dir():
        raise UsageError(f"{flag} {path}: this is a folder; name a file in it")
    if _is_special(file):
        return
    folder = file.resolve().parent
    if not folder.is_dir():
        raise UsageError(f"{flag} {path}: there is no folder {folder}; make it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{flag} {path}: no right to write in {folder}; name another file")


def write_document(path: str, document: str) -> None:
    """Write it as a whole: a reader sees the old file or the new one. Pipes and devices are written to as they are.

    Raises:
        OSError: it cannot be written.
    """
    file, data = Path(path), document.encode() + b"\n"
    try:
        if _is_special(file):
            file.write_bytes(data)
        else:
            replace_file(file, data)
    except OSError as error:
        raise OSError(error.errno, f"the report cannot be written to {path}: {error.strerror}") from error


def replace_file(file: Path, data: bytes) -> None:
    """Write a file as a whole, under another name first.

    Raises:
        OSError: it cannot be written; the old one is as it was.
    """
    file = file.resolve()  # what a link names is replaced, and not the link
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as new:
            new.write(data)
            os.fchmod(new.fileno(), _mode_of(file))
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _mode_of(file: Path) -> int:
    """The mode that the file has, or that a new one would have."""
    try:
        return stat.S_IMODE(file.stat().st_mode)
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return _NEW_FILE & ~umask


def _is_special(file: Path) -> bool:
    return file.exists() and not file.is_file()
