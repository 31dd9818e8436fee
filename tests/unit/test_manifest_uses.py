"""Objects of one kind in manifests: which are found, what else names it, and what is not even read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from asyncmigrate._manifests.uses import Uses, find_uses
from asyncmigrate.errors import ManifestError

ONE = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "n"}}
OTHER = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}


def found(folder: Path, text: str | bytes) -> Uses:
    path = folder / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return find_uses([path], "example.com", "Widget", recursive=False)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (json.dumps(ONE), {"v1": ("n/w",)}),
        (json.dumps(ONE).replace("/", "\\/"), {"v1": ("n/w",)}),
        (json.dumps(ONE).replace("Widget", "Wid\\u0067et"), {"v1": ("n/w",)}),
        (json.dumps(ONE).replace("example.com/", "ex\\u0061mple.com\\u002f"), {"v1": ("n/w",)}),
        ('kind: Widget\napiVersion: "exam\\\n  ple.com/v1"', {"v1": ("an object without a name",)}),
        (json.dumps(ONE).encode("utf-16"), {"v1": ("n/w",)}),
        (b"\xfe\xff" + json.dumps(ONE).encode("utf-16-be"), {"v1": ("n/w",)}),
        (json.dumps([ONE, OTHER, 7]), {"v1": ("n/w",)}),
        (f"--- !foo\n{json.dumps(ONE)}", {"v1": ("n/w",)}),
        ("!a apiVersion: !b example.com/v1\nkind: !c Widget\nmetadata: !d {name: w}", {"v1": ("w",)}),
        (json.dumps({"apiVersion": "v1", "kind": "List", "items": [ONE, None]}), {"v1": ("n/w",)}),
        ("apiVersion: example.com/v1\nkind: WidgetList\nitems: [{metadata: {name: a}}]", {"v1": ("a",)}),
        ("apiVersion: example.com/v1\nkind: Widget\nmetadata: {generateName: w-}", {"v1": ("w-...",)}),
        ("apiVersion: example.com/v1\nkind: Widget", {"v1": ("an object without a name",)}),
        ("# hello\n---\napiVersion: example.com/v2\nkind: Widget\nmetadata: {name: 1}\n---\n", {"v2": ("1",)}),
        (json.dumps(ONE | {"kind": "Gadget", "of": "Widget"}), {}),
        (json.dumps(ONE | {"apiVersion": "my.example.com/v1"}), {}),
        ("apiVersion: v1\nkind: Widget\n# example.com/v1", {}),
    ],
)
def test_which_objects_are_found(tmp_path: Path, text: str | bytes, names: dict[str, tuple[str, ...]]) -> None:
    uses = found(tmp_path, text)
    assert {v: use.names for v, [use] in uses.objects.items()} == names
    assert (uses.mentions, uses.not_checked) == ({}, ())


REF = {"apiVersion": "example.com/v1", "kind": "Widget"}
RULE = {"apiGroups": ["example.com"], "resources": ["widgets"]}


@pytest.mark.parametrize(
    ("fields", "mentions"),
    [
        ({"spec": {"infrastructureRef": REF}}, {"v1": ("spec.infrastructureRef", True)}),
        ({"kind": "Template", "objects": [OTHER, ONE]}, {"v1": ("objects.1", True)}),
        ({"<<": ONE}, {"v1": ("<<", True)}),
        ({"spec": {"paramKind": REF}}, {"v1": ("spec.paramKind", True)}),
        ({"data": {"a": f"x: 1\n---\n{json.dumps(ONE)}"}}, {"v1": ("data.a", True)}),
        ({"args": ["--of", "example.com/v1"]}, {"v1": ("args.1", True)}),
        ({"path": "/apis/example.com/v2/widgets"}, {"v2": ("path", True)}),
        ({"target": {"group": "example.com", "version": "v1", "kind": "Widget"}}, {"v1": ("target", False)}),
        ({"rules": [RULE | {"apiVersions": ["v1"]}]}, {"v1": ("rules.0", False)}),
        ({"rules": [RULE | {"apiVersions": ["v1", "v2"]}]}, {}),
        ({"spec": {"ref": REF | {"kind": "Gadget"}, "of": "Widget"}}, {}),
        ({"data": {"a": "see https://example.com/v1/widgets, my.example.com/v1 and example.com/v1.2"}}, {}),
        ({"data": {"a": '{"apiVersion": "example.com/v1", "kind": "Gadget"}'}, "of": "Widget"}, {}),
        ({"metadata": {"managedFields": [{"apiVersion": "example.com/v1"}], "name": "Widget"}}, {}),
        ({"kind": "CustomResourceDefinition", "spec": {"group": "example.com", "version": "v1", "is": REF}}, {}),
    ],
)
def test_what_names_a_version_otherwise_is_told_with_its_place(
    tmp_path: Path, fields: dict[str, object], mentions: dict[str, tuple[str, bool]]
) -> None:
    uses = found(tmp_path, json.dumps(OTHER | fields))
    assert {v: (m.at, m.as_api_version) for v, [m] in uses.mentions.items()} == mentions
    assert uses.objects == {}


def test_aliases_are_followed_once(tmp_path: Path) -> None:
    lists = "\n".join(f"- &l{n} {{apiVersion: v1, kind: List, items: [*l{n - 1}, *l{n - 1}]}}" for n in range(1, 5))
    uses = found(tmp_path, f"- &l0 {json.dumps(ONE)}\n{lists}")
    assert [use.objects for use in uses.objects["v1"]] == [1]


def test_a_file_that_aliases_blow_up_is_an_error(tmp_path: Path) -> None:
    lists = "\n".join(f"- &l{n} {{apiVersion: v1, kind: List, items: [*l{n - 1}, *l{n - 1}]}}" for n in range(1, 60))
    with pytest.raises(ManifestError, match=r"aliases make [0-9,]+ values of it"):
        found(tmp_path, f"- &l0 {json.dumps(ONE)}\n{lists}")


def test_names_are_cut_short_and_all_are_counted(tmp_path: Path) -> None:
    text = "---\n".join(f"apiVersion: example.com/v1\nkind: Widget\nmetadata: {{name: w{n}}}\n" for n in range(30))
    [use] = found(tmp_path, text).objects["v1"]
    assert (use.objects, len(use.names)) == (30, 10)


def test_files_that_cannot_have_any_are_not_parsed(tmp_path: Path) -> None:
    head = "apiVersion: v1\nkind: A\n"
    assert found(tmp_path, head + "{{ no YAML of example.com").objects == {}
    assert found(tmp_path, head + "{{ no YAML, with \\x escapes").objects == {}
    assert found(tmp_path, head.encode() + b"# \xe9").objects == {}
    with pytest.raises(ManifestError, match="a template, not a manifest"):
        found(tmp_path, "{{ no YAML of example.com, a Widget")


def test_bytes_that_are_no_utf_8_hide_nothing(tmp_path: Path) -> None:
    uses = found(tmp_path, b"# \xe9\n" + json.dumps(ONE).encode())
    assert list(uses.objects) == ["v1"]


@pytest.mark.parametrize("text", [json.dumps(ONE).encode("utf-16-le"), json.dumps(OTHER).encode() + b"\0..."])
def test_text_with_nul_bytes_is_not_checked(tmp_path: Path, text: bytes) -> None:
    uses = found(tmp_path, text)
    assert [(n.what, n.reason) for n in uses.not_checked] == [(str(tmp_path / "a.yaml"), "NoText")]


def test_names_that_are_no_utf_8_are_escaped(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.yaml")
    path.write_text(json.dumps(ONE).replace("n/w", "w").replace('"w"', '"\\ud800"'))
    [use] = find_uses([tmp_path], "example.com", "Widget", recursive=False).objects["v1"]
    assert (use.source, use.names) == (f"{tmp_path}/\\udcff.yaml", ("n/\\ud800",))


@pytest.mark.parametrize("text", ["", "---\n---\n", "Error: chart not found\n", "key: value\n"])
def test_nothing_to_look_at_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ManifestError, match=r"no Kubernetes object in it$"):
        found(tmp_path, text)


def test_folders_that_are_not_read_are_told(tmp_path: Path) -> None:
    below = tmp_path / "apps" / "one"
    below.mkdir(parents=True)
    with pytest.raises(ManifestError, match=r"no Kubernetes object in it$"):
        find_uses([tmp_path], "example.com", "Widget", recursive=False)
    (below / "w.yaml").write_text(json.dumps(ONE))
    with pytest.raises(ManifestError, match=r"apps has manifests: add -R$"):
        find_uses([tmp_path], "example.com", "Widget", recursive=False)
    (tmp_path / "kustomization.yaml").write_text(json.dumps(OTHER))
    uses = find_uses([tmp_path], "example.com", "Widget", recursive=False)
    assert [(n.what, n.reason) for n in uses.not_checked] == [(str(tmp_path / "apps"), "FolderNotRead")]
    uses = find_uses([tmp_path], "example.com", "Widget", recursive=True)
    assert (list(uses.objects), uses.not_checked) == (["v1"], ())
    (tmp_path / "link").symlink_to(tmp_path / "apps")
    uses = find_uses([tmp_path], "example.com", "Widget", recursive=True)
    assert [(n.what, n.reason) for n in uses.not_checked] == [(str(tmp_path / "link"), "FolderNotRead")]
    (tmp_path / "link").rename(
        tmp_path / "..data"
    )  # as Kubernetes mounts ConfigMaps: its files have links of their own
    assert find_uses([tmp_path], "example.com", "Widget", recursive=True).not_checked == ()
