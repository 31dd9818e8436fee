"""Server-side apply: a configuration merged into an object, and what its manager left out removed.

As structured-merge-diff does in merge/update.go (Apply, prune, addBackOwnedItems and addBackDanglingItems).
"""

from __future__ import annotations

from collections import defaultdict

from asyncmigrate.testing import _managed
from asyncmigrate.testing._managed import Entry, Writer, identity
from asyncmigrate.testing._merge import merge, remove
from asyncmigrate.testing._objects import Object
from asyncmigrate.testing._paths import Path, in_words, paths_of, tree_of, without
from asyncmigrate.testing._status import StatusError
from asyncmigrate.testing._typed import field_set, with_named
from asyncmigrate.testing._views import Views

_PRUNING = "failed to prune fields: "
_Sets = dict[tuple[str, ...], tuple[Entry, set[Path]]]


async def apply(
    live: Object, config: Object, entries: list[Entry], writer: Writer, views: Views, *, force: bool
) -> tuple[Object, list[Entry]]:
    """What `config` makes of `live` (without its managedFields), and the entries after it."""
    kind = views.kind(writer.api_version)
    name = _name(config, writer)
    views.check(config, kind, why=f"failed to create typed patch object ({name}): ")
    views.check(live, kind, unique=False, why=f"failed to create typed live object ({name}): ")
    sets: _Sets = {identity(e): (e, paths_of(e["fieldsV1"])) for e in entries}
    mine = writer.entry("Apply")
    before = sets.get(identity(mine))
    wanted = without(field_set(config, kind), views.never_written(writer.api_version))
    sets[identity(mine)] = (mine, wanted)
    new: Object = merge(live, config, kind)
    if before is not None and before[1]:
        new = await _prune(new, before, sets, writer, views)
    changes = {
        version: (await views.changes(new, live, version)).outside(views.never_written(version))
        for version in {entry["apiVersion"] for entry, _ in sets.values()}
    }
    others = {who: of for who, of in sets.items() if who != identity(mine)}
    met = {who: paths & changes[entry["apiVersion"]].taken for who, (entry, paths) in others.items()}
    if any(met.values()) and not force:
        raise _conflict([(others[who][0], paths) for who, paths in met.items() if paths])
    after = [
        entry | {"fieldsV1": tree_of(left)}
        for entry, paths in others.values()
        if (left := paths - changes[entry["apiVersion"]].taken - changes[entry["apiVersion"]].removed)
    ]
    # An apply that changes nothing keeps the time, and the first one of its manager has then none.
    time = writer.at if new != live else (before[0].get("time") if before else None)
    mine = {k: v for k, v in mine.items() if k != "time"} | ({"time": time} if time else {})
    if held := wanted - _managed.NEVER_OWNED:
        after.append(mine | {"fieldsV1": tree_of(held)})
    return new, _managed.in_order(after)


def _name(config: Object, writer: Writer) -> str:
    meta = config.get("metadata") or {}
    return f"{meta.get('namespace', '')}/{meta.get('name', '')}; {writer.api_version}, Kind={config.get('kind')}"


async def _prune(merged: Object, before: tuple[Entry, set[Path]], sets: _Sets, writer: Writer, views: Views) -> Object:
    """Remove what the manager applied before and does not now, unless anybody else holds it."""
    version, last = before[0]["apiVersion"], before[1]
    kind = views.kind(version)
    seen = await views.convert(merged, version, _PRUNING)
    pruned: Object = remove(seen, with_named(last, kind), kind)
    held: dict[str, set[Path]] = defaultdict(set)
    for entry, paths in sets.values():
        held[entry["apiVersion"]] |= paths
    whole = seen
    # That version first, so that the object can be converted when it comes to the others.
    for at in sorted(held, key=lambda v: v != version):
        whole, pruned = await views.convert(whole, at, _PRUNING), await views.convert(pruned, at, _PRUNING)
        there = views.kind(at)
        all_paths, left = (with_named(field_set(o, there), there) for o in (whole, pruned))
        pruned = remove(whole, all_paths - (left | with_named(held[at], there)), there)
    # What nobody holds was not the manager's to remove.
    pruned = await views.convert(pruned, version, _PRUNING)
    all_paths, left = (with_named(field_set(o, kind), kind) for o in (seen, pruned))
    dangling = (all_paths - left) & with_named(last, kind)
    return await views.convert(remove(seen, dangling, kind), writer.api_version, _PRUNING)


def _conflict(met: list[tuple[Entry, set[Path]]]) -> StatusError:
    """409 with a cause for each field: conflict.go in apimachinery's pkg/util/managedfields/internal."""
    named = sorted((_in_words(entry), [in_words(p) for p in sorted(paths, key=_rank)]) for entry, paths in met)
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": path}
        for who, paths in named
        for path in paths
    ]
    if len(causes) == 1:
        text = f"1 conflict: {causes[0]['message']}: {causes[0]['field']}"
    else:
        listed = "\n".join("\n- ".join([f"conflicts with {who}:", *paths]) for who, paths in named)
        text = f"{len(causes)} conflicts: {listed}"
    return StatusError("Conflict", f"Apply failed with {text}", details={"causes": causes})


def _rank(path: Path) -> list[tuple[bool, str]]:
    """Go goes through what a set has at one level before it looks below."""
    return [(depth < len(path), element) for depth, element in enumerate(path, start=1)]


def _in_words(entry: Entry) -> str:
    who = f'"{entry.get("manager", "")}"'
    if subresource := entry.get("subresource"):
        who += f' with subresource "{subresource}"'
    return f"{who} using {entry['apiVersion']}" if entry["operation"] == "Update" else who
