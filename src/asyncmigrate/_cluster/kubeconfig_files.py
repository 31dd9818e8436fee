"""Kubeconfig files, read and merged as kubectl merges them: client-go's tools/clientcmd/loader.go.

Of each name the first file that has it counts, as a whole; so does the first current-context that is not empty. Paths
in a file are relative to its folder. A file of $KUBECONFIG that is not there is left out; one that cannot be read is an
error.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import yaml

from asyncmigrate._cluster.given_kubeconfig import BAD_VALUE, GIVEN
from asyncmigrate._rules.errors.secrets import Discreet
from asyncmigrate.errors import ConfigError

DEFAULT_KUBECONFIG = "~/.kube/config"
_MOST_BYTES = 16 * 1024 * 1024  # a thousand clusters with their certificates are some 10 MB
_MOST_VALUES = 1_000_000  # in a file that repeats itself by YAML's aliases


class Entry(Discreet, frozen=True):
    """A context, cluster or user as a file has it, and the folder that its paths are relative to."""

    value: dict[str, Any]
    folder: str

    _hidden: ClassVar = frozenset({"value"})


class Kubeconfig(msgspec.Struct, frozen=True):
    """Some kubeconfig files as one; `where` names them in errors."""

    where: str
    current_context: str = ""
    contexts: Mapping[str, Entry] = {}
    clusters: Mapping[str, Entry] = {}
    users: Mapping[str, Entry] = {}


class _Context(Discreet, frozen=True):
    name: str
    context: dict[str, Any] = msgspec.field(default_factory=dict)

    _hidden: ClassVar = frozenset({"context"})


class _Cluster(Discreet, frozen=True):
    name: str
    cluster: dict[str, Any] = msgspec.field(default_factory=dict)

    _hidden: ClassVar = frozenset({"cluster"})


class _User(Discreet, frozen=True):
    name: str
    user: dict[str, Any] = msgspec.field(default_factory=dict)

    _hidden: ClassVar = frozenset({"user"})


class _File(msgspec.Struct, frozen=True, rename="kebab"):
    current_context: str = ""
    contexts: tuple[_Context, ...] = ()
    clusters: tuple[_Cluster, ...] = ()
    users: tuple[_User, ...] = ()


class Source:
    """Where a kubeconfig comes from; `read` reads it anew, for its credentials may have been renewed."""

    def __init__(self, given: str | os.PathLike[str] | Mapping[str, Any] | None) -> None:
        """Take a path, or what was read from one; None for $KUBECONFIG, else ~/.kube/config."""
        self._given = given if isinstance(given, Mapping) else None
        self._paths = [] if self._given is not None else _paths(given)  # type: ignore[arg-type]  # no mapping
        self._once: dict[str, bytes] = {}  # what can be read only once, such as a pipe

    @property
    def is_there(self) -> bool:
        return self._given is not None or bool(self._paths)

    def read(self) -> Kubeconfig:
        """Read and merge.

        Raises:
            ConfigError: a file cannot be read, or is no kubeconfig.
        """
        if self._given is not None:
            return merge(GIVEN, [(_parse(dict(self._given), GIVEN), "")])
        files = [(_file_of(self._bytes(path), path), os.path.dirname(path)) for path in self._paths]  # noqa: PTH120 -- of a str
        return merge(os.pathsep.join(self._paths), files)

    def _bytes(self, path: str) -> bytes:
        try:
            if path in self._once:
                return self._once[path]
            with Path(path).open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
            if not Path(path).is_file():
                self._once[path] = data
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from error
        if len(data) > _MOST_BYTES:
            raise ConfigError(f"{path}: not a usable kubeconfig: it is larger than {_MOST_BYTES:,} bytes")
        return data


def _paths(given: str | os.PathLike[str] | None) -> list[str]:
    """The files that are there. A path that was given is one file, whatever is in its name."""
    named = [os.fspath(given)] if given is not None else (os.environ.get("KUBECONFIG") or "").split(os.pathsep)
    if not any(named):
        named = [DEFAULT_KUBECONFIG]
    expanded = dict.fromkeys(os.path.expanduser(n) for n in named if n)  # noqa: PTH111 -- of a str
    return [path for path in expanded if os.path.lexists(path)]


@lru_cache(maxsize=8)
def _file_of(data: bytes, path: str) -> _File:
    """A file by what is in it: the contexts of a fleet are all in the same few, which may take seconds to parse."""
    return _parse(_load(data, path), path)


def _load(data: bytes, path: str) -> object:
    try:
        if data.lstrip().startswith(b"{"):
            with suppress(msgspec.DecodeError):  # JSON may have tabs where YAML may not
                return msgspec.json.decode(data)
        return yaml.safe_load(data)  # the loader in C ends the process where this raises RecursionError
    except yaml.MarkedYAMLError as error:
        # PyYAML's words quote the file, and an alias or a tag may be a password that begins with `*` or `!`.
        mark = error.problem_mark
        where = "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"
        raise ConfigError(
            f"{path}: not valid YAML{where}: what is there is not shown, for it may be a secret"
        ) from None
    except BAD_VALUE:
        raise ConfigError(f"{path}: not valid YAML: it has a value that is not what its tag or its form says") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid YAML: {type(error).__name__}") from None


def _parse(content: object, where: str) -> _File:
    try:
        return msgspec.convert(_without_nulls(content, count(1)) or {}, _File)
    except msgspec.ValidationError as error:  # its words are about types and places, and quote no value
        raise ConfigError(f"{where}: not a usable kubeconfig: {error}") from None
    except RecursionError:
        raise ConfigError(f"{where}: not a usable kubeconfig: it holds itself") from None
    except OverflowError as error:
        raise ConfigError(f"{where}: not a usable kubeconfig: {error}") from None


def _without_nulls(value: Any, seen: Iterator[int]) -> Any:  # noqa: ANN401 -- any YAML
    """Leave out what is null: in Go that is as if it were not there. `seen` counts the values."""
    if next(seen) > _MOST_VALUES:
        raise OverflowError(f"it has more than {_MOST_VALUES:,} values, aliases counted")
    if isinstance(value, Mapping):
        return {k: _without_nulls(v, seen) for k, v in value.items() if v is not None}
    return [_without_nulls(v, seen) for v in value if v is not None] if isinstance(value, list) else value


def merge(where: str, files: Iterable[tuple[_File, str]]) -> Kubeconfig:
    """Join files, the first of which counts most, each with its folder."""
    current = ""
    contexts: dict[str, Entry] = {}
    clusters: dict[str, Entry] = {}
    users: dict[str, Entry] = {}
    for file, folder in files:
        current = current or file.current_context
        _add(contexts, ((c.name, c.context) for c in file.contexts), folder, where)
        _add(clusters, ((c.name, c.cluster) for c in file.clusters), folder, where)
        _add(users, ((u.name, u.user) for u in file.users), folder, where)
    return Kubeconfig(where, current, contexts, clusters, users)


def _add(into: dict[str, Entry], named: Iterable[tuple[str, dict[str, Any]]], folder: str, where: str) -> None:
    """Add a file's entries to those of the files before it. Twice in one file is an error in client-go, too."""
    here: set[str] = set()
    for name, value in named:
        if name in here:
            raise ConfigError(f"{where}: the name {name!r} is there twice in one list")
        here.add(name)
        into.setdefault(name, Entry(value, folder))
