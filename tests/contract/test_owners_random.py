"""Random managedFields, as the server keeps them: after a run each manager owns exactly the paths that it owned."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from asyncmigrate import Outcome, plan, run
from tests.bed.bed import Bed
from tests.bed.owners import entries
from tests.bed.scenes import Manifest, crd, obj
from tests.unit.rules.test_field_sets import Path, members, written

OBJECTS = 60
ELEMENTS = ("f:a", "f:b", "f:items", 'k:{"name":"x"}', 'k:{"name":"x","port":80}', 'v:"x"', "v:1", "i:0")
JSON_PATCH = {"Content-Type": "application/json-patch+json"}

Owned = dict[tuple[str, str, str], set[Path]]


def random_entries(draw: Random, group: str) -> list[Manifest]:
    """Entries as the server may have them: each manager has one Apply entry at most for each subresource."""
    found: dict[tuple[Any, ...], Manifest] = {}
    for _ in range(draw.randrange(1, 9)):
        operation, version = draw.choice(["Apply", "Update"]), draw.choice(["v1", "v2"])
        manager, part = draw.choice(["one", "two", "three"]), draw.choice(["", "", "status", "scale"])
        paths = {
            (draw.choice(["f:spec", "f:status", "f:metadata"]), *draw.choices(ELEMENTS, k=draw.randrange(4)))
            for _ in range(draw.randrange(1, 6))
        }
        entry = {
            "manager": manager,
            "operation": operation,
            "apiVersion": f"{group}/{version}",
            "fieldsType": "FieldsV1",
            "fieldsV1": written(paths),
        }
        entry |= {"subresource": part} if part else {}
        entry |= {"time": f"2026-01-0{draw.randrange(1, 9)}T00:00:00Z"} if draw.random() < 0.8 else {}
        found[operation, manager, part, version if operation == "Update" else ""] = entry
    return list(found.values())


def owned(found: Manifest) -> Owned:
    result: Owned = {}
    for e in entries(found):
        result.setdefault((e["manager"], e["operation"], e.get("subresource", "")), set()).update(
            members(e["fieldsV1"])
        )
    return result


def newest(found: Manifest) -> dict[tuple[str, str, str], str]:
    result: dict[tuple[str, str, str], str] = {}
    for e in entries(found):
        who = (e["manager"], e["operation"], e.get("subresource", ""))
        result[who] = max(result.get(who, ""), e.get("time", ""))
    return result


async def test_each_manager_owns_exactly_the_paths_that_it_owned(bed: Bed) -> None:
    draw = Random(11)  # noqa: S311 -- the same scene each time
    before = await bed.apply_crd(crd(bed.group, "v1", "v1", "v2"))
    await bed.create(before, *(obj(before, "v1", f"w-{n}") for n in range(OBJECTS)))
    for number in range(OBJECTS):
        patch = [{"op": "replace", "path": "/metadata/managedFields", "value": random_entries(draw, bed.group)}]
        answer = await bed.http.patch(bed.path(before, "v1", name=f"w-{number}"), json=patch, headers=JSON_PATCH)
        assert answer.is_success, answer.text
    after = await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))
    listed = (await bed.http.get(bed.path(after, "v2"))).json()["items"]
    old = {o["metadata"]["name"]: o for o in listed}
    assert {v for o in listed for e in entries(o) for v in [e["apiVersion"]]} == {f"{bed.group}/v1", f"{bed.group}/v2"}
    async with bed.cluster() as cluster:
        report = await run(cluster, await plan(cluster, names=[f"widgets.{bed.group}"]), settle=0)
    assert (report.crds[0].outcome, report.crds[0].owners_left) == (Outcome.MIGRATED, ())
    for (_, name), data in bed.stored(f"widgets.{bed.group}").items():
        now = json.loads(data)
        assert {e["apiVersion"] for e in entries(now)} == {f"{bed.group}/v2"}
        assert owned(now) == owned(old[name])
        assert newest(now) == newest(old[name])
        assert now["spec"] == old[name]["spec"]
