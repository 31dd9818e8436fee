"""Manifests without their schemas say what they said with them."""

from __future__ import annotations

from textwrap import indent
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from asyncmigrate._manifests.parse import parse
from asyncmigrate._manifests.skip_schemas import without_schemas
from asyncmigrate.errors import ManifestError
from tests.bed.scenes import crd

# What generators of schemas write, and what could be taken for the end of one, or for the start of another.
LOOKS_LIKE_ONE = "schema:\n  openAPIV3Schema:"
words = st.sampled_from(
    [
        "",
        "a: b",
        "# no comment",
        "- x",
        "---",
        'it\'s "so"',
        f"{LOOKS_LIKE_ONE}\n    type: x",
        "&a *a",
        "é\t{",
    ]
) | st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=30)
schemas = st.recursive(
    words | st.booleans() | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=12,
)


def manifest(schema: object, description: str) -> dict[str, Any]:
    made = crd("example.com", "v2", "v1", "v2")
    made["metadata"]["annotations"] = {"description": description}
    for version in made["spec"]["versions"]:
        version["schema"] = {"openAPIV3Schema": schema}
    return made


def without(document: Any) -> Any:  # noqa: ANN401 -- whatever YAML may hold
    for version in document["spec"]["versions"]:
        version["schema"] = None
    # A text that looks like a schema may be cut short; no field that is read can hold one.
    annotations = document["metadata"]["annotations"]
    assert list(annotations) == ["description"]
    if LOOKS_LIKE_ONE in annotations["description"]:
        annotations["description"] = LOOKS_LIKE_ONE
    return document


@given(
    schema=schemas,
    description=words,
    width=st.sampled_from([20, 80, 4096]),
    indent=st.sampled_from([2, 4, 7]),
    style=st.sampled_from([None, '"', "'", "|", ">"]),
)
def test_what_is_left_says_the_same(schema: object, description: str, width: int, indent: int, style: str) -> None:
    documents = [manifest(schema, description), manifest(None, description)]
    text = yaml.safe_dump_all(documents, width=width, indent=indent, default_style=style, allow_unicode=True)
    whole, left = (list(yaml.safe_load_all(t)) for t in (text, without_schemas(text)))
    assert [without(d) for d in left] == [without(d) for d in whole]


BLOCK = """\
spec:
  versions:
  - schema: {comment}
      openAPIV3Schema:
{schema}
    name: v1
"""


@pytest.mark.parametrize(
    "schema",
    [
        "        type: object",
        "        description: |\n\n          text\n\n# less deep, but a comment\n          more: text\n",
        "        x: [a,\n          b]\n        y: 'it\n\n          goes on'",
        "         deeper: by\n         an: odd\n         number: of spaces",
        "",
    ],
)
def test_only_the_schema_is_left_out(schema: str) -> None:
    left = without_schemas(BLOCK.format(schema=schema, comment=""))
    assert yaml.safe_load(left) == {"spec": {"versions": [{"schema": {"openAPIV3Schema": None}, "name": "v1"}]}}
    assert len(left) < len(BLOCK)


@pytest.mark.parametrize(
    "text",
    [
        BLOCK.format(schema="        type: object", comment="# why").replace("\n", "\r\n"),
        "a: {schema: {openAPIV3Schema:\n  {type: object}}}",
        "schema:\n  openAPIV3Schema: {type: object}\nname: v1\n",
        "",
    ],
)
def test_what_is_written_in_another_way_is_left_as_it_is(text: str) -> None:
    assert without_schemas(text) == text


ANCHORED = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: widgets.example.com
spec:
  group: example.com
  names: {plural: widgets, kind: Widget}
  versions:
  - schema:
      openAPIV3Schema:
        title: &version v1
    name: *version
    served: true
    storage: true
"""


def test_a_text_that_looks_like_a_schema_hides_nothing_that_stands_beside_it() -> None:
    inner = indent(BLOCK.format(schema="        type: object", comment=""), "    ")
    text = f"apiVersion: v1\nkind: ConfigMap\ndata:\n  crd.yaml: |\n{inner}---\n{ANCHORED}"
    assert "type: object" not in without_schemas(text)
    assert [found.name for found in parse(text.encode(), "x.yaml").crds] == ["widgets.example.com"]


def test_an_alias_to_what_stands_in_a_schema_is_followed() -> None:
    [found] = parse(ANCHORED.encode(), "x.yaml").crds
    assert [version.name for version in found.versions] == ["v1"]


def test_an_error_is_told_with_its_line_in_the_whole_text() -> None:
    text = BLOCK.format(schema="        type: object\n" * 20, comment="") + "broken: [\n"
    with pytest.raises(ManifestError, match=r"line 2\d"):
        parse(text.encode(), "x.yaml")
