"""What `droppable` found, as text for people and as one JSON object."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from asyncmigrate._output import words
from asyncmigrate._output.clean import as_json, line
from asyncmigrate._output.droppable_fields import droppable_fields
from asyncmigrate._output.report_json import API_VERSION
from asyncmigrate._results.droppable import Droppable, DropReason, VersionUse
from asyncmigrate._rules.decisions.drop_reasons import OWNERS_REASONS
from asyncmigrate._rules.decisions.phrases import count
from asyncmigrate._rules.decisions.writer_words import NAMED, writer_words


def droppable_json(found: Droppable) -> str:
    """A Droppable as one JSON object."""
    whole = {
        "apiVersion": API_VERSION,
        "kind": "Droppable",
        "context": found.context,
        "server": found.server,
        "seconds": round(found.seconds, 3),
        **droppable_fields(found),
        "requests": found.requests,
        "retries": found.retries,
    }
    return as_json(whole)


def droppable_names(found: Droppable) -> list[str]:
    """The versions that can be dropped."""
    return [v.version for v in found.versions if v.droppable]


def droppable_lines(found: Droppable) -> Iterator[Text]:
    """For each version a line with the verdict, and below it why, and what to do."""
    listed = "" if found.objects is None else f", {count(found.objects, 'object')}"
    stored = ", ".join(found.stored_versions) or "empty"
    head = f"{found.name}: storage version {found.storage_version}, storedVersions {stored}{listed}"
    if not found.versions:
        yield line(f"{head}: it has no other version, so there is nothing to drop")
        return
    yield line(head)
    for version in found.versions:
        yield from _version(version, found.now)


def _version(use: VersionUse, now: float | None) -> Iterator[Text]:
    yield line(words.drop_verdict(use), "bold green" if use.droppable else "bold red")
    for reason in use.reasons:
        yield from _reason(reason, "red")
        if reason.reason in OWNERS_REASONS:  # its sentence has room for a few of them
            for writer in use.writers[NAMED:]:
                yield line(f"    {writer_words(writer, use.version, now)}")
    for note in use.notes:
        yield from _reason(note, "dim")


def _reason(reason: DropReason, style: str) -> Iterator[Text]:
    yield line(f"  {reason.reason}: {reason.message}", style)
    if reason.advice:
        yield line(f"    -> {reason.advice}")
