"""The schemas of a manifest's CRD, from a second read of the source that the CRD was found in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from asyncmigrate._manifests.reader import Found, Reader
from asyncmigrate._manifests.schemas import SchemaReader
from asyncmigrate._rules.safety.pruning import ANYTHING
from asyncmigrate.errors import ManifestError
from tests.bed.scenes import Manifest, crd

OTHER = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: widgets.example.com\n"


def schema(*fields: str) -> dict[str, Any]:
    return {"type": "object", "properties": {field: {"type": "string"} for field in fields}}


def manifest(plural: str = "widgets", **versions: Any) -> Manifest:  # noqa: ANN401 -- schemas
    made = crd("example.com", list(versions)[-1], *versions, plural=plural)
    for version in made["spec"]["versions"]:
        version["schema"] = {"openAPIV3Schema": versions[version["name"]]}
    return made


WIDGETS = manifest(v1=schema("old"), v2=schema("new"))
GADGETS = manifest("gadgets", v1=schema("gadget"))
SCHEMAS = {"widgets": {"v1": schema("old"), "v2": schema("new")}, "gadgets": {"v1": schema("gadget")}}


def as_list(*items: Manifest) -> Manifest:
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}


def old_form(**spec: Any) -> str:  # noqa: ANN401
    names = {"plural": "widgets", "kind": "Widget"}
    return yaml.safe_dump(
        {
            "apiVersion": "apiextensions.k8s.io/v1beta1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "widgets.example.com"},
            "spec": {"group": "example.com", "names": names, "preserveUnknownFields": False} | spec,
        }
    )


def found_in(*sources: str | Path) -> list[Found]:
    reader = Reader(sources)
    found: list[Found] = []
    while batch := reader.next_batch():
        found += batch
    return found


def read_all(found: Sequence[Found]) -> dict[str, Any]:
    reader = SchemaReader()
    return {f.crd.plural: reader.read(f) for f in found}


# Forms of text

TWO = yaml.safe_dump_all([WIDGETS, GADGETS])
VERSIONS = [{"name": "v1", "served": True, "storage": False}, {"name": "v2", "served": True, "storage": True}]
FORMS = {
    "several documents": TWO,
    "a mark at the start and at the end": f"---\n{TWO}---\n",
    "comments before, between and after, with marks in them": f"# ---\n---\n# --- a\n{TWO}# end\n---\n# ---\n",
    "marks that comments and directives follow": TWO.replace("---\n", "--- # next\n"),
    "a directive before a document": f"{OTHER}...\n%YAML 1.2\n---\n{TWO}",
    "a tag that a document declares": f"%TAG !t! tag:example.com,2000:\n---\na: !t!x y\n{TWO}",
    "Windows line ends": TWO.replace("\n", "\r\n"),
    "a byte order mark": f"\ufeff{TWO}",
    "JSON": json.dumps(as_list(WIDGETS, GADGETS)),
    "JSON of several lines": json.dumps(as_list(WIDGETS, GADGETS), indent=2),
    "a List in YAML": yaml.safe_dump(as_list(WIDGETS, GADGETS)),
    "a List in a List": yaml.safe_dump(as_list(as_list(WIDGETS), GADGETS)),
    "a List of CRDs whose items do not say so": yaml.safe_dump(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinitionList",
            "items": [{k: v for k, v in m.items() if k not in {"apiVersion", "kind"}} for m in (WIDGETS, GADGETS)],
        }
    ),
    "flow style": yaml.safe_dump_all([WIDGETS, GADGETS], default_flow_style=True),
    "quotes": TWO.replace("name: widgets.example.com", "'name' : \"widgets.example.com\""),
    "a document that only names the CRD": f"{OTHER}---\n{TWO}---\n{OTHER}",
    "names that are written in another way": TWO.replace("name: widgets.", r'name: "widgets\u002e').replace(
        "example.com\nspec", 'example.com"\nspec', 1
    ),
    "a text that looks like a mark": TWO.replace(
        "kind: CustomResourceDefinition", "kind: CustomResourceDefinition\ndescription: |\n  ---\n   ---\n  a", 1
    ),
    "aliases": TWO.replace("labels: {}", "labels: &none {}").replace("names:", "x: *none\n  names:"),
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_schemas_are_found_in_every_form_of_text(text: str, tmp_path: Path) -> None:
    path = tmp_path / "crds.yaml"
    path.write_bytes(text.encode())
    found = found_in(path)
    wanted = SCHEMAS if len(found) == 2 else {}
    assert read_all(found) == wanted
    assert read_all(found[::-1]) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            old_form(versions=VERSIONS, validation={"openAPIV3Schema": schema("a")}),
            {"v1": schema("a"), "v2": schema("a")},
        ),
        (old_form(version="v1", validation={"openAPIV3Schema": schema("a")}), {"v1": schema("a")}),
        (
            old_form(versions=[v | {"schema": {"openAPIV3Schema": schema(str(v["name"]))}} for v in VERSIONS]),
            {"v1": schema("v1"), "v2": schema("v2")},
        ),
        (old_form(versions=VERSIONS), {"v1": None, "v2": None}),
        (old_form(versions=VERSIONS, preserveUnknownFields=None), {"v1": ANYTHING, "v2": ANYTHING}),
        (old_form(version="v1", preserveUnknownFields=True, validation={"openAPIV3Schema": {}}), {"v1": ANYTHING}),
        (json.dumps(WIDGETS | {"spec": WIDGETS["spec"] | {"validation": {"openAPIV3Schema": {}}}}), SCHEMAS["widgets"]),
        (json.dumps(WIDGETS | {"spec": WIDGETS["spec"] | {"preserveUnknownFields": None}}), SCHEMAS["widgets"]),
        (
            json.dumps(WIDGETS | {"spec": WIDGETS["spec"] | {"preserveUnknownFields": True}}),
            {"v1": ANYTHING, "v2": ANYTHING},
        ),
    ],
    ids=[
        "v1beta1: one schema for all versions",
        "v1beta1: one version and its schema",
        "v1beta1: each version has its own",
        "v1beta1: none",
        "v1beta1 keeps unknown fields unless told otherwise",
        "v1beta1 keeps unknown fields",
        "v1 knows no schema for all versions",
        "v1 prunes unless told otherwise",
        "v1 keeps unknown fields",
    ],
)
def test_each_version_has_its_schema(text: str, wanted: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "crd.yaml"
    path.write_text(text)
    assert read_all(found_in(path)) == {"widgets": wanted}


# Odd schemas


def test_an_alias_in_a_schema_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "crds.yaml"
    text = yaml.safe_dump(manifest(v1=schema("a"), v2="ALIAS"))
    path.write_text(text.replace("openAPIV3Schema:", "openAPIV3Schema: &v1", 1).replace("ALIAS", "*v1"))
    assert read_all(found_in(path)) == {"widgets": {"v1": schema("a"), "v2": schema("a")}}


def test_schemas_without_end_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "crds.yaml"
    text = yaml.safe_dump(WIDGETS)
    assert text.count("properties:") == 2
    path.write_text(text.replace("properties:", "properties: &all\n          again: *all", 1))
    [found] = found_in(path)
    with pytest.raises(ManifestError, match=r"alias \*all stands inside of what it stands for at line \d+"):
        SchemaReader().read(found)


def test_schemas_that_aliases_blow_up_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "crds.yaml"
    levels = "".join(
        f"        l{n}: &l{n} {{{', '.join(f'k{k}: *l{n - 1}' for k in range(9))}}}\n" for n in range(1, 10)
    )
    path.write_text(yaml.safe_dump(WIDGETS).replace("        type: object\n", f"        l0: &l0 {{}}\n{levels}", 1))
    [found] = found_in(path)  # the schemas are left out
    with pytest.raises(ManifestError, match=r"aliases make [\d,]+ values of it, too many"):
        SchemaReader().read(found)


def test_keys_and_values_that_json_has_not_are_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "crds.yaml"
    odd = "{2: {type: string}, true: {default: 2020-01-01}, b: {default: !x 1, maximum: .inf}}"
    path.write_text(f"{yaml.safe_dump(manifest(v1='ODD'))}".replace("ODD", f"{{properties: {odd}}}"))
    [found] = found_in(path)
    properties = SchemaReader().read(found)["v1"]["properties"]
    assert properties.keys() == {"2", "true", "b"}
    assert properties["true"] == {"default": "2020-01-01"}


@pytest.mark.parametrize("word", ["yes", "On", "y"])
def test_the_old_words_for_true_are_true_in_schemas(word: str, tmp_path: Path) -> None:
    path = tmp_path / "crds.yaml"
    keeps = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "nullable": True, "description": "yes"}
    path.write_text(yaml.safe_dump(manifest(v1=keeps)).replace(": true", f": {word}"))
    assert read_all(found_in(path)) == {"widgets": {"v1": keeps}}
    path.write_text(old_form(version="v1", preserveUnknownFields=True).replace(": true", f": {word}"))
    assert read_all(found_in(path)) == {"widgets": {"v1": ANYTHING}}
    path.write_text(old_form(version="v1", validation={"openAPIV3Schema": {}}).replace(": false", ": off"))
    assert read_all(found_in(path)) == {"widgets": {"v1": {}}}
