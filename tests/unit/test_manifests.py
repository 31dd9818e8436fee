"""What manifests look like in the wild, and what is read out of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from asyncmigrate._manifests.parse import parse
from asyncmigrate._manifests.reader import Reader
from asyncmigrate.errors import ManifestError
from tests.bed.scenes import crd

V1 = crd("example.com", "v1", "v1", "v2", unserved=("v2",))
V1BETA1 = b"""
apiVersion: apiextensions.k8s.io/v1beta1
kind: CustomResourceDefinition
metadata: {name: gadgets.example.com, labels: {app: old}}
spec:
  group: example.com
  version: v1alpha1
  names: {plural: gadgets, kind: Gadget}
"""
V1BETA1_VERSIONS = V1BETA1.replace(
    b"  names:", b"  versions: [{name: v1alpha1, served: true, storage: true}]\n  names:"
)
OTHERS = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


def read(text: bytes) -> list[str]:
    return [c.name for c in parse(text, "test").crds]


def as_list(*items: object, kind: str = "List") -> bytes:
    return json.dumps({"apiVersion": "v1", "kind": kind, "items": items}).encode()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (json.dumps(V1).encode(), ["widgets.example.com"]),
        (b"\xef\xbb\xbf" + json.dumps(V1).encode(), ["widgets.example.com"]),
        (V1BETA1, ["gadgets.example.com"]),
        (V1BETA1_VERSIONS, ["gadgets.example.com"]),
        (as_list(V1, {"apiVersion": "v1", "kind": "Secret"}), ["widgets.example.com"]),
        (OTHERS + b"---\n" + V1BETA1 + b"---\n---\n# nothing\n", ["gadgets.example.com"]),
        (as_list(json.loads(as_list(V1))), ["widgets.example.com"]),
        (
            json.dumps(
                {
                    "apiVersion": "apiextensions.k8s.io/v1",
                    "kind": "CustomResourceDefinitionList",
                    "items": [{k: v for k, v in V1.items() if k not in {"apiVersion", "kind"}}],
                }
            ).encode(),
            ["widgets.example.com"],
        ),
        (OTHERS, []),
        (b"", []),
    ],
)
def test_crds_are_found_wherever_they_are(text: bytes, names: list[str]) -> None:
    assert read(text) == names


def test_the_old_form_with_one_version_serves_and_stores_it() -> None:
    [found] = parse(V1BETA1, "test").crds
    assert [(v.name, v.served, v.storage) for v in found.versions] == [("v1alpha1", True, True)]
    assert (found.scope, found.labels) == ("Namespaced", {"app": "old"})


@pytest.mark.parametrize(
    ("conversion", "webhook"),
    [
        ({}, False),
        ({"conversion": None}, False),
        ({"conversion": {}}, False),
        ({"conversion": {"strategy": None}}, False),
        ({"conversion": {"strategy": "None"}}, False),
        ({"conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {}}}}, True),
    ],
)
@pytest.mark.parametrize("sort_keys", [True, False])  # before the schemas, and after them
def test_the_strategy_is_none_unless_said_otherwise(conversion: Any, webhook: bool, sort_keys: bool) -> None:  # noqa: ANN401, FBT001
    spec = {k: v for k, v in V1["spec"].items() if k != "conversion"} | conversion
    [found] = parse(yaml.safe_dump(V1 | {"spec": spec}, sort_keys=sort_keys).encode(), "test").crds
    assert found.webhook is webhook
    old = yaml.safe_load(V1BETA1_VERSIONS)
    schema = {"validation": {"openAPIV3Schema": {"type": "object"}}}
    text = yaml.safe_dump(old | {"spec": old["spec"] | schema | conversion}, sort_keys=sort_keys)
    [found] = parse(text.encode(), "test").crds
    assert found.webhook is webhook


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            json.dumps(V1 | {"spec": V1["spec"] | {"conversion": "Webhook"}}).encode(),
            r"got `str` - at `\$.spec.conversion",
        ),
        (V1BETA1.replace(b"gadgets.example.com", b"gadgets"), "must be <plural>.<group>: gadgets.example.com"),
        (V1BETA1.replace(b"  version: v1alpha1\n", b""), "spec.versions is empty"),
        (
            V1BETA1.replace(b"{plural: gadgets, kind: Gadget}", b"7"),
            "Expected `object`, got `int` - at `\\$.spec.names`",
        ),
        (as_list(3), "not a Kubernetes object"),
        (
            json.dumps(V1).replace("widgets", "\\ud800s").encode(),
            r"metadata.name is '\\ud800s.example.com', which is no DNS name",
        ),
    ],
)
def test_malformed_crds_say_what_and_where(text: bytes, words: str) -> None:
    with pytest.raises(ManifestError, match=words) as caught:
        read(text)
    assert str(caught.value).startswith("test, document 1: ")


def test_utf_16_is_read_as_powershell_writes_it() -> None:
    assert [c.name for c in parse(json.dumps(V1).encode("utf-16"), "test").crds] == [V1["metadata"]["name"]]


def test_folders_are_read_as_kubectl_reads_them(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for where, plural in (("b.yaml", "bees"), ("a.yml", "ants"), ("c.json", "cats"), ("below/d.yaml", "dogs")):
        (tmp_path / where).write_text(json.dumps(crd("example.com", "v1", "v1", plural=plural)))
    (tmp_path / "README.md").write_text("not a manifest")

    def names(*, recursive: bool) -> list[str]:
        reader = Reader([tmp_path], recursive=recursive)
        found = []
        while batch := reader.next_batch():
            found += [f.crd.plural for f in batch]
        return found

    assert names(recursive=False) == ["ants", "bees", "cats"]
    assert names(recursive=True) == ["ants", "bees", "dogs", "cats"]
