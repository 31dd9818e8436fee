"""`asyncmigrate droppable` and `plan --drop`: exit codes, the JSON contract, and the words."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import anyio
import pytest

from tests.bed.bed import EmbeddedBed
from tests.bed.owners import update
from tests.bed.scenes import Manifest, crd, obj
from tests.command.runner import Ended, asyncmigrate, command, environment

ENVELOPE = ["apiVersion", "kind", "context", "server", "seconds"]
FIELDS = ["name", "droppable", "storageVersion", "storedVersions", "objects", "versions", "now"]


async def call(bed: EmbeddedBed, *args: str | Path, home: Path, user: str = "admin") -> Ended:
    return await asyncmigrate(*args, "--kubeconfig", bed.kubeconfig(user), home=home)


def scene(bed: EmbeddedBed) -> Manifest:
    """A CRD with one object in v1, four minutes before its storage version moved to v2."""
    before = crd(bed.group, "v1", "v1", "v2")
    bed.server.apply_crd(before)
    bed.server.create(obj(before, "v1", "w-0"))
    bed.server.advance(240)
    after = crd(bed.group, "v2", "v1", "v2")
    bed.server.apply_crd(after)
    return after


async def test_the_json_is_the_contract(embedded: EmbeddedBed, tmp_path: Path) -> None:
    made = scene(embedded)
    (tmp_path / "w.json").write_text(json.dumps(obj(made, "v1", "w")))
    name = f"widgets.{embedded.group}"
    ended = await call(
        embedded, "droppable", f"crd/{name}", "-f", tmp_path / "w.json", "--owners", "-o", "json", home=tmp_path
    )
    assert ended.code == 1, ended.err
    found = ended.json
    assert list(found) == [*ENVELOPE, *FIELDS, "requests", "retries"]
    assert (found["apiVersion"], found["kind"], found["context"]) == ("asyncmigrate/v1", "Droppable", "embedded")
    assert [found[f] for f in FIELDS[:-2]] == [name, False, "v2", ["v1", "v2"], 1]
    [version] = found["versions"]
    [writer] = version.pop("writers")
    assert 240 <= writer.pop("secondsAgo") <= 300
    newest = writer.pop("newest")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", newest)
    assert writer.pop("manager")
    assert writer == {"apiVersion": f"{embedded.group}/v1", "objects": 1}
    reasons = version.pop("reasons")
    assert [list(r) for r in reasons] == [["reason", "message", "advice"]] * 3
    assert [r["reason"] for r in reasons] == ["StoredVersionsNamesIt", "OwnersInIt", "ManifestsUseIt"]
    assert [n["reason"] for n in version.pop("notes")] == ["StillServed"]
    assert version == {
        "version": "v1",
        "droppable": False,
        "inCRD": True,
        "served": True,
        "inStoredVersions": True,
        "objects": 1,
        "example": "default/w-0",
        "ownerReferences": [],
        "admission": [],
        "manifests": [{"source": str(tmp_path / "w.json"), "objects": 1, "names": ["default/w"]}],
        "mentions": [],
        "notChecked": [],
    }


async def test_the_words_say_why_not_and_what_to_do(embedded: EmbeddedBed, tmp_path: Path) -> None:
    scene(embedded)
    name = f"widgets.{embedded.group}"
    ended = await call(embedded, "droppable", name, home=tmp_path)
    assert ended.code == 1
    assert f"{name}: storage version v2, storedVersions v1, v2, 1 object\n" in ended.out
    assert "v1 cannot be dropped: StoredVersionsNamesIt, OwnersInIt\n" in ended.out
    assert f"    -> asyncmigrate run {name}\n" in ended.out
    assert re.search(
        r"server-side apply would fail for them; \S+ wrote 1 object in v1, last 4 minutes ago\n", ended.out
    )
    embedded.server.advance(60)
    assert (await call(embedded, "run", "-y", name, home=tmp_path)).code == 0
    ended = await call(embedded, "droppable", name, "--version", "v1", home=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert "v1 can be dropped\n" in ended.out


async def test_each_writer_is_named_however_many(embedded: EmbeddedBed, tmp_path: Path) -> None:
    made = scene(embedded)
    for number in range(5):
        await update(embedded, made, "v1", f"manager-{number}", name="w-0", spec={f"f{number}": 1})
    ended = await call(embedded, "droppable", f"widgets.{embedded.group}", home=tmp_path)
    for number in range(5):
        assert ended.out.count(f"manager-{number} wrote 1 object in v1, last ") == 1


async def test_crd_with_nothing_to_drop(embedded: EmbeddedBed, tmp_path: Path) -> None:
    embedded.server.apply_crd(crd(embedded.group, "v2", "v2"))
    ended = await call(embedded, "droppable", f"widgets.{embedded.group}", home=tmp_path)
    assert ended.code == 0
    assert "it has no other version, so there is nothing to drop" in ended.out


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("nothings.{group}",), 1, '"nothings.{group}" not found'),
        (("widgets",), 2, "'widgets' is no CRD's name"),
        (("widgets.{group}", "--version", "v9"), 2, "has no version v9 (it has v1, v2)"),
        (("widgets.{group}", "-R"), 2, "-R goes with -f"),
        (("widgets.{group}", "-f", "nothing.yaml"), 2, "no such file or folder"),
    ],
)
async def test_bad_input_is_one_line_and_a_code(
    embedded: EmbeddedBed, tmp_path: Path, args: tuple[str, ...], code: int, says: str
) -> None:
    scene(embedded)
    words = [a.format(group=embedded.group) for a in args]
    ended = await call(embedded, "droppable", *words, home=tmp_path)
    assert ended.code == code
    assert says.format(group=embedded.group) in ended.error


async def test_no_right_to_see_the_crd_is_a_refusal(embedded: EmbeddedBed, tmp_path: Path) -> None:
    scene(embedded)
    ended = await call(embedded, "droppable", f"widgets.{embedded.group}", home=tmp_path, user="nobody")
    assert ended.code == 4
    assert "403 Forbidden" in ended.error


async def test_the_storage_version_is_a_no(embedded: EmbeddedBed, tmp_path: Path) -> None:
    scene(embedded)
    ended = await call(embedded, "droppable", f"widgets.{embedded.group}", "--version", "v2", home=tmp_path)
    assert ended.code == 1
    assert "v2 is the storage version" in ended.out


async def test_plan_has_the_same_object_for_each_crd_that_has_the_version(
    embedded: EmbeddedBed, tmp_path: Path
) -> None:
    scene(embedded)
    embedded.server.apply_crd(crd(embedded.group, "v2", "v2", plural="gadgets"))
    ended = await call(embedded, "plan", "--drop", "v1", "-o", "json", home=tmp_path)
    assert ended.code == 0
    gadgets, widgets = ended.json["crds"]
    assert "droppable" not in gadgets
    assert list(widgets["droppable"]) == FIELDS
    alone = await call(embedded, "droppable", widgets["name"], "--version", "v1", "-o", "json", home=tmp_path)
    [in_plan], [by_itself] = widgets["droppable"]["versions"], alone.json["versions"]
    for version in (in_plan, by_itself):
        del version["writers"][0]["secondsAgo"]
    assert in_plan == by_itself
    said = await call(embedded, "plan", "--drop", "v1", home=tmp_path)
    assert f"{widgets['name']}: v1 cannot be dropped: StoredVersionsNamesIt, OwnersInIt\n" in said.err
    assert f"{widgets['name']}\tstale\tv2\tv1,v2\t1\t-\tno\t" in said.out
    embedded.server.advance(60)
    assert (await call(embedded, "run", "-y", home=tmp_path)).code == 0
    assert (await call(embedded, "plan", "--check", "--drop", "v1", home=tmp_path)).code == 0
    assert (await call(embedded, "plan", "--check", "--drop", "v2", home=tmp_path)).code == 1
    nothing = await call(embedded, "plan", "--drop", "v9", home=tmp_path)
    assert (await call(embedded, "plan", "--check", "--drop", "v9", home=tmp_path)).code == 1
    assert (nothing.code, "no CRD of this plan has v9 in its spec.versions or " in nothing.err) == (0, True)


EVIL = "\x1b[31mred\x1b]0;pwn\x07\x9b2J\x7f\u202e\u2028\r\nv1 can be dropped"
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


async def test_nothing_that_others_wrote_steers_the_terminal(embedded: EmbeddedBed, tmp_path: Path) -> None:
    made = scene(embedded)
    folder = tmp_path / "a\x1b[31m\nb"
    folder.mkdir()
    (folder / "w.json").write_text(json.dumps(obj(made, "v1", EVIL)))
    name = f"widgets.{embedded.group}"
    ended = await call(embedded, "droppable", name, "-f", folder, home=tmp_path)
    assert not UNSAFE.search(ended.out)
    assert not any(line.startswith("v1 can be dropped") for line in ended.out.splitlines())
    assert r"\x1b[31mred\x1b]0;pwn\x07\x9b2J\x7f\u202e\u2028\r\nv1 can be dropped" in ended.out
    ended = await call(embedded, "droppable", name, "-f", folder, "-o", "json", home=tmp_path)
    assert not UNSAFE.search(ended.out)
    assert ended.json["versions"][0]["manifests"][0]["names"] == [f"default/{EVIL}"]
    ended = await call(embedded, "plan", "-f", folder, home=tmp_path)
    assert not UNSAFE.search(ended.err)
    assert r"a\x1b[31m\nb" in ended.error


async def test_what_a_webhook_says_does_not_steer_the_terminal(embedded: EmbeddedBed, tmp_path: Path) -> None:
    scene(embedded)
    embedded.server.advance(60)
    name = f"widgets.{embedded.group}"
    embedded.server.faults.deny(resource=name, name="w-0", message=EVIL)
    for how in ((), ("-o", "json"), ("-v",)):
        ended = await call(embedded, "run", "-y", name, *how, home=tmp_path)
        assert ended.code == 1
        assert not UNSAFE.search(ended.out.replace("\t", "") + ended.err)  # our own tabs
        assert not any(line.startswith("v1 can be dropped") for line in (ended.out + ended.err).splitlines())


@pytest.mark.parametrize("text", ["", "Error: chart not found\n"])
async def test_manifests_that_are_none_are_an_error(embedded: EmbeddedBed, tmp_path: Path, text: str) -> None:
    scene(embedded)
    args = ("droppable", f"widgets.{embedded.group}", "-f", "-", "--kubeconfig", embedded.kubeconfig())
    ended = await asyncmigrate(*args, home=tmp_path, stdin=text.encode())
    assert (ended.code, ended.error) == (2, "error: -: no Kubernetes object in it")


async def test_folder_whose_manifests_are_all_below_is_an_error(embedded: EmbeddedBed, tmp_path: Path) -> None:
    made = scene(embedded)
    folder = tmp_path / "gitops" / "apps"
    folder.mkdir(parents=True)
    (folder / "w.json").write_text(json.dumps(obj(made, "v1", "w")))
    name = f"widgets.{embedded.group}"
    ended = await call(embedded, "droppable", name, "-f", folder.parent, home=tmp_path)
    assert (ended.code, ended.error.endswith("add -R")) == (2, True)
    assert (await call(embedded, "droppable", name, "-f", folder.parent, "-R", home=tmp_path)).code == 1


@pytest.mark.parametrize("output", ["json", "table"])
async def test_output_that_cannot_be_written_is_one_line(embedded: EmbeddedBed, tmp_path: Path, output: str) -> None:
    scene(embedded)
    args = ("droppable", f"widgets.{embedded.group}", "-o", output, "--kubeconfig", embedded.kubeconfig())
    with anyio.fail_after(60), Path("/dev/full").open("wb") as full:  # noqa: ASYNC230 -- it never blocks
        ended = await anyio.run_process(
            command(*args), check=False, env=environment(tmp_path), stdout=full, stderr=subprocess.PIPE
        )
    assert (ended.returncode, ended.stderr.decode()) == (1, "error: No space left on device\n")


async def test_plan_that_could_not_look_does_not_say_that_there_is_none(embedded: EmbeddedBed, tmp_path: Path) -> None:
    scene(embedded)
    name = f"widgets.{embedded.group}"
    ended = await call(embedded, "plan", name, "--drop", "v1", home=tmp_path, user="nobody")
    assert (
        "no CRD of this plan that could be looked up has v1 in its spec.versions or status.storedVersions" in ended.err
    )
