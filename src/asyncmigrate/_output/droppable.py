"""What `droppable` found, as text for people and as one JSON object."""

from __future__ import annotations

from rich.console import Group, RenderableType
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


def droppable_text(found: Droppable) -> RenderableType:
    """For each version a line with the verdict, and below it why, and what to do."""
    listed = "" if found.objects is None else f", {count(found.objects, 'object')}"
    stored = ", ".join(found.stored_versions) or "empty"
    head = f"{found.name}: storage version {found.storage_version}, storedVersions {stored}{listed}"
    if not found.versions:
        return line(f"{head}: it has no other version, so there is nothing to drop")
    return Group(line(head), *(_version(v, found.now) for v in found.versions))


def _version(use: VersionUse, now: float | None) -> Text:
    lines = [line(words.drop_verdict(use), "bold green" if use.droppable else "bold red")]
    for reason in use.reasons:
        lines += _reason(reason, "red")
        if reason.reason in OWNERS_REASONS:  # its sentence has room for a few of them
            lines += [line(f"    {writer_words(w, use.version, now)}") for w in use.writers[NAMED:]]
    for note in use.notes:
        lines += _reason(note, "dim")
    return Text("\n").join(lines)


def _reason(reason: DropReason, style: str) -> list[Text]:
    lines = [line(f"  {reason.reason}: {reason.message}", style)]
    if reason.advice:
        lines.append(line(f"    -> {reason.advice}"))
    return lines
