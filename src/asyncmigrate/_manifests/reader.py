"""Reads the CRDs of manifests on demand, and keeps nothing but the CRDs and what can be read only once."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec

from asyncmigrate._manifests.given import Manifests, Text, sources_of
from asyncmigrate._manifests.parse import parse
from asyncmigrate._manifests.sources import STDIN, Source, is_url, kept, source_of, texts
from asyncmigrate._model import CRD

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
        self._found = self._read_all(recursive=recursive)

    @property
    def where(self) -> str:
        """All sources, for a message."""
        return ", ".join(s.name if isinstance(s, Text) else s.path for s in self.sources) or "manifests"

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

    def _read_all(self, *, recursive: bool) -> Iterator[Found | None]:
        """Every CRD; and None before a source that may keep us waiting, so that what was found is not kept with it."""
        for source in self.sources:
            if isinstance(source, Text):
                given = kept(source.name, source.text)
                yield from (Found(crd, given) for crd in parse(source.text, source.name))
                continue
            path = source.path
            if path == STDIN or is_url(path):
                yield None
            for name, text in texts(path, recursive=recursive):
                origin = None
                for crd in parse(text, name):
                    origin = origin or source_of(name, text)
                    yield Found(crd, origin)
