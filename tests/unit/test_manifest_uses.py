"""Objects of one kind in manifests: which are found, and what is not even read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asyncmigrate._manifests.uses import Uses, find_uses
from asyncmigrate.errors import ManifestError

ONE = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "n"}}


def found(folder: Path, text: str) -> Uses:
    path = folder / "a.yaml"
    path.write_text(text)
    return find_uses([path], "example.com", "Widget", recursive=False)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (json.dumps(ONE), {"v1": ("n/w",)}),
        (json.dumps(ONE).replace("/", "\\/"), {"v1": ("n/w",)}),
        (json.dumps({"apiVersion": "v1", "kind": "List", "items": [ONE, None]}), {"v1": ("n/w",)}),
        ("apiVersion: example.com/v1\nkind: WidgetList\nitems: [{metadata: {name: a}}]", {"v1": ("a",)}),
        ("apiVersion: example.com/v1\nkind: Widget\nmetadata: {generateName: w-}", {"v1": ("w-...",)}),
        ("apiVersion: example.com/v1\nkind: Widget", {"v1": ("an object without a name",)}),
        ("# hello\n---\napiVersion: example.com/v2\nkind: Widget\nmetadata: {name: 1}\n---\n", {"v2": ("1",)}),
        (json.dumps(ONE | {"kind": "Gadget", "of": "Widget"}), {}),
        (json.dumps(ONE | {"apiVersion": "my.example.com/v1"}), {}),
        (json.dumps(ONE | {"kind": "Gadget", "spec": ONE}), {}),
        ("- example.com/v1\n- Widget", {}),
        ("kind: Widget\n# example.com", {}),
    ],
)
def test_which_objects_are_found(tmp_path: Path, text: str, names: dict[str, tuple[str, ...]]) -> None:
    assert {v: use.names for v, [use] in found(tmp_path, text).items()} == names


def test_names_are_cut_short_and_all_are_counted(tmp_path: Path) -> None:
    text = "---\n".join(f"apiVersion: example.com/v1\nkind: Widget\nmetadata: {{name: w{n}}}\n" for n in range(30))
    [use] = found(tmp_path, text)["v1"]
    assert (use.objects, len(use.names)) == (30, 10)


def test_files_that_cannot_have_any_are_not_parsed(tmp_path: Path) -> None:
    assert found(tmp_path, "{{ no YAML of example.com") == {}
    with pytest.raises(ManifestError, match="not valid YAML"):
        found(tmp_path, "{{ no YAML of example.com, a Widget")
