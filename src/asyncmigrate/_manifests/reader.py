"""Reads the CRDs of manifests on demand, and keeps nothing but the CRDs and what can be read only once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import msgspec

from asyncmigrate._manifests.given import Manifests, Place, Text, sources_of
from asyncmigrate._manifests.parse import parse
from asyncmigrate._manifests.sources import STDIN, Source, folder_left_out, is_url, kept, source_of, texts
from asyncmigrate._model import CRD
from asyncmigrate._rules.errors.secrets import shown_source
from asyncmigrate.errors import ManifestError

_BATCH_SECONDS = 0.3  # shorter ones have the reader and the lookups wait for each other, and save nobody a wait


class Found(msgspec.Struct, frozen=True):
    """A CRD, and the file or URL that it was found in."""

    crd: CRD
    origin: Source

    @property
    def source(self) -> str:
        return self.origin.name


class Reader:
    """Reads sources one after the other, as far as it is asked to; blocking, so call it from a thread.

    Making one raises UsageError where something is no source.
    """

    def __init__(self, manifests: Manifests, *, recursive: bool = False) -> None:
        self.sources = sources_of(manifests)
        self.found = 0
        self._hint = ""  # why there may be none, from the first text where that is known
        self._recursive = recursive
        self._found = self._read_all()

    @property
    def where(self) -> str:
        """All sources, for a message."""
        return ", ".join(s.name if isinstance(s, Text) else shown_source(s.path) for s in self.sources) or "manifests"

    def next_batch(self) -> list[Found]:
        """The CRDs that a moment of reading brought; an empty list means the end.

        Raises:
            ManifestError: a source cannot be read, or what is in it is not Kubernetes'.
        """
        batch: list[Found] = []
        until = time.monotonic() + _BATCH_SECONDS
        for found in self._found:
            if found is not None:
                self.found += 1
                batch.append(found)
            if batch and (found is None or time.monotonic() >= until):
                break
        return batch

    def check_any(self) -> None:
        """Say that nothing was found, at the end.

        Raises:
            ManifestError: there is no CRD in any of the sources.
        """
        if not self.found:
            problem = "no CustomResourceDefinition in it"
            if not self._recursive and (left_out := next(filter(None, map(_folder_below, self.sources)), "")):
                problem += f", but {left_out} has manifests: add -R"
            elif self._hint:
                problem += f"; {self._hint}"
            raise ManifestError(problem, source=self.where)

    def _read_all(self) -> Iterator[Found | None]:
        """Every CRD; and None before a source that may keep us waiting, so that what was found is not kept with it."""
        for source in self.sources:
            if isinstance(source, Text):
                yield from self._read(source.name, source.text, kept, alone=True)
                continue
            path = source.path
            if path == STDIN or is_url(path):
                yield None
            for name, text in texts(path, recursive=self._recursive):
                yield from self._read(name, text, source_of, alone=name == path)

    def _read(
        self, name: str, text: bytes, origin_of: Callable[[str, bytes], Source], *, alone: bool
    ) -> Iterator[Found]:
        parsed = parse(text, name)
        if parsed.hint and not self._hint:
            self._hint = parsed.hint if alone else f"{name}: {parsed.hint}"
        if parsed.crds:
            origin = origin_of(name, text)
            yield from (Found(crd, origin) for crd in parsed.crds)


class ReadOnce:
    """Manifests that are read to the end once, for several plans: standard input has no second time.

    Blocking, as a Reader.

    Raises:
        ManifestError, UsageError: as a Reader.
    """

    def __init__(self, manifests: Manifests, *, recursive: bool = False) -> None:
        reader = Reader(manifests, recursive=recursive)
        self._found: list[Found] = []
        while batch := reader.next_batch():
            self._found += batch
        reader.check_any()

    def again(self) -> Reader:
        """A reader of what was found."""
        return _Again(self._found)


class _Again(Reader):
    def __init__(self, found: list[Found]) -> None:
        super().__init__(())
        self._found = iter(found)


def reader_of(manifests: Manifests | ReadOnce, *, recursive: bool) -> Reader:
    return manifests.again() if isinstance(manifests, ReadOnce) else Reader(manifests, recursive=recursive)


def _folder_below(source: Text | Place) -> str:
    return "" if isinstance(source, Text) else folder_left_out(source.path, recursive=False)
