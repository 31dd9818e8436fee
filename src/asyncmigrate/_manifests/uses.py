"""Finds the objects of one kind in manifests: documents whose apiVersion has a given group, by version."""

from __future__ import annotations

import re

import msgspec

from asyncmigrate._manifests.given import Manifests, Text, sources_of
from asyncmigrate._manifests.mentions import Kind, Mention, Use
from asyncmigrate._manifests.parse import documents
from asyncmigrate._manifests.sources import folder_left_out, texts
from asyncmigrate._manifests.text import decoded
from asyncmigrate._results.droppable import ManifestMention, ManifestUse, NotChecked
from asyncmigrate._rules.errors.secrets import shown_source
from asyncmigrate.errors import ManifestError

_NAMES = 10  # kept of each file
# Escapes may spell any letter, and a line may be broken in the middle of a word.
_ESCAPES = re.compile(r"\\(?:[uUx]|\r?\n)")


class Uses(msgspec.Struct, frozen=True):
    """What was found: by version, and what could not be looked at."""

    objects: dict[str, tuple[ManifestUse, ...]]
    mentions: dict[str, tuple[ManifestMention, ...]]
    not_checked: tuple[NotChecked, ...] = ()


def find_uses(manifests: Manifests, group: str, kind: str, *, recursive: bool) -> Uses:
    """Look for objects of a group and kind, inside Lists too; blocking, so call it from a thread.

    Only files whose text may have the group are parsed. Documents that are no Kubernetes objects are no error: in a
    folder of manifests there may be values and settings of other tools.

    Raises:
        ManifestError: a source cannot be read, or has nothing of Kubernetes in it; or a file with the group and the
            kind in its text is no YAML.
    """
    search = _Search(Kind(group, kind))
    for source in sources_of(manifests):
        looked_at = search.objects_seen
        if isinstance(source, Text):
            where, left_out = source.name, ""
            search.look(source.text, where)
        else:
            where = shown_source(source.path)
            for name, text in texts(source.path, recursive=recursive):
                search.look(text, name)
            left_out = _printable(folder_left_out(source.path, recursive=recursive))
        if search.objects_seen == looked_at and not search.not_checked:
            advice = f", but {left_out} has manifests: add -R" if left_out and not recursive else ""
            raise ManifestError(f"no Kubernetes object in it{advice}", source=where)
        if left_out:
            why = "a link to a folder is not followed: give it with -f, too" if recursive else "add -R to read it"
            search.not_checked.append(NotChecked(what=left_out, reason="FolderNotRead", message=why))
    return Uses(
        {version: tuple(uses) for version, uses in search.uses.items()},
        {version: tuple(mentions) for version, mentions in search.mentions.items()},
        tuple(search.not_checked),
    )


class _Search:
    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self.uses: dict[str, list[ManifestUse]] = {}
        self.mentions: dict[str, list[ManifestMention]] = {}
        self.not_checked: list[NotChecked] = []
        self.objects_seen = 0  # files that may have any

    def look(self, raw: bytes, path: str) -> None:
        source = _printable(path)
        if b"\0" in raw and not raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            # A YAML reader stops there, in silence. It may be UTF-16 without its mark.
            message = "it has NUL bytes, which no text has: save it as UTF-8"
            self.not_checked.append(NotChecked(what=source, reason="NoText", message=message))
            return
        try:
            text = decoded(raw, source)
        except ManifestError:
            if self._kind.is_named_in(raw.decode("latin-1")):
                raise
            text = raw.decode("latin-1")
        has_escapes = bool(_ESCAPES.search(text))
        self.objects_seen += has_escapes or ("apiVersion" in text and "kind" in text)
        if has_escapes or self._kind.may_be_in(text):
            self._read(text, source)

    def _read(self, text: str, source: str) -> None:
        try:
            found = documents(text, source)
        except ManifestError:
            if self._kind.is_named_in(text):
                raise
            return  # a template, say, of something else
        self._note([f for document in found for f in self._kind.found_in(document)], source)

    def _note(self, found: list[Use | Mention], source: str) -> None:
        names: dict[str, list[str]] = {}
        mentions: dict[str, Mention] = {}
        for one in found:
            if isinstance(one, Use):
                names.setdefault(one.version, []).append(_printable(one.name))
            elif one.version not in mentions or (one.as_api_version and not mentions[one.version].as_api_version):
                mentions[one.version] = one
        for version, of in names.items():
            use = ManifestUse(source=source, objects=len(of), names=tuple(of[:_NAMES]))
            self.uses.setdefault(version, []).append(use)
        for version, m in mentions.items():
            mention = ManifestMention(source=source, at=_printable(m.at), as_api_version=m.as_api_version)
            self.mentions.setdefault(version, []).append(mention)


def _printable(words: str) -> str:
    """Bytes of a file name that are no UTF-8, and halves of surrogate pairs out of JSON, as escapes."""
    return words.encode("utf-8", "backslashreplace").decode()
