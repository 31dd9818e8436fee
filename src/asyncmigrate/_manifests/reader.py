"""Reads the CRDs of manifests on demand, and keeps nothing but the CRDs and what can be read only once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence

import msgspec

from asyncmigrate._manifests.parse import parse
from asyncmigrate._manifests.sources import STDIN, Source, folder_left_out, is_url, shown, source_of, texts
from asyncmigrate._model import CRD
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
    """Reads sources one after the other, as far as it is asked to; blocking, so call it from a thread."""

    def __init__(self, sources: Sequence[str | os.PathLike[str]], *, recursive: bool = False) -> None:
        self.sources = [os.fspath(s) for s in sources]
        self.found = 0
        self._hint = ""  # why there may be none, from the first text where that is known
        self._recursive = recursive
        self._found = self._read_all()

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
            raise ManifestError(problem, source=", ".join(map(shown, self.sources)))

    def _read_all(self) -> Iterator[Found | None]:
        """Every CRD; and None before a source that may keep us waiting, so that what was found is not kept with it."""
        for source in self.sources:
            if source == STDIN or is_url(source):
                yield None
            for name, text in texts(source, recursive=self._recursive):
                parsed = parse(text, name)
                if parsed.hint and not self._hint:
                    self._hint = parsed.hint if name in self.sources else f"{name}: {parsed.hint}"
                if parsed.crds:
                    origin = source_of(name, text)
                    yield from (Found(crd, origin) for crd in parsed.crds)


def _folder_below(source: str) -> str:
    return folder_left_out(source, recursive=False)
