"""Manifests in every form that `kubectl apply -f` takes, and what is said of those that it does not."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest
import yaml

from asyncmigrate._manifests.parse import parse
from asyncmigrate._manifests.reader import Reader
from asyncmigrate._manifests.text import decoded, unpacked
from asyncmigrate.errors import ManifestError
from tests.unit.manifest_texts import CONFIGMAP, HOLDER, JSON_WIDGETS, READ, REFUSED, TEMPLATE, WIDGETS, crds_of


def raw(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def names(text: str | bytes) -> list[str]:
    return [crd.name for crd in parse(unpacked(raw(text), "x"), "x").crds]


def refused(text: str | bytes) -> str:
    """What is said of a text."""
    try:
        said = parse(unpacked(raw(text), "x"), "x").hint
    except ManifestError as error:
        said = str(error)
    assert said
    assert "\n" not in said
    return said


@pytest.mark.parametrize(("text", "wanted"), READ.values(), ids=READ)
def test_a_manifest_is_read_in_every_form(text: str | bytes, wanted: list[str]) -> None:
    assert names(text) == wanted


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_manifest_is_told(text: str | bytes, words: str) -> None:
    assert words in refused(text)


@pytest.mark.parametrize("word", ["yes", "On", "TRUE", "y"])
def test_the_old_words_for_true_are_true(word: str) -> None:
    [found] = parse(WIDGETS.replace("true", word).encode(), "x").crds
    assert [(v.served, v.storage) for v in found.versions] == [(True, True)]
    [found] = parse(WIDGETS.replace("served: true", "served: no").encode(), "x").crds
    assert [(v.served, v.storage) for v in found.versions] == [(False, True)]


def test_a_label_without_a_value_is_empty() -> None:
    [found] = parse(WIDGETS.replace("web", "").encode(), "x").crds
    assert found.labels == {"app": ""}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (WIDGETS.replace("name: v1", "name: 1"), "got `int` - at `$.spec.versions[0].name`: put it in quotes"),
        (WIDGETS.replace("web", "1.5"), "got `float` - at `$.metadata.labels[...]`: put it in quotes"),
        (
            WIDGETS.replace("served: true", "served: 'true'"),
            "Expected `bool`, got `str` - at `$.spec.versions[0].served`",
        ),
        (JSON_WIDGETS.replace("k8s.io/v1", "k8s.io/v1\\nx"), "of unknown version v1 x: v1 and v1beta1 are known"),
        (JSON_WIDGETS[:-2], "not valid YAML: while parsing a flow mapping, did not find expected ',' or '}' at line"),
        (f"{JSON_WIDGETS},{JSON_WIDGETS}", "not valid YAML: did not find expected <document start> at line 1"),
        ("a: 1\n\0", "not text, for it has NUL characters"),
        (WIDGETS.encode("utf-16-le"), "not text, for it has NUL characters"),
        (WIDGETS.encode("utf-32"), "not text, for it has NUL characters"),
        (gzip.compress(WIDGETS.encode())[:-20], "a gzip file that was cut short"),
        (b"\x1f\x8b\x08\x00broken gzip", "a broken gzip file"),
        (gzip.compress(gzip.compress(b"a: b")), "not text, for it has NUL characters"),
        (b"PK\x03\x04...", "a zip file, which is not read: unpack it first"),
        (b"\x28\xb5\x2f\xfd...", "compressed with zstd, which is not read"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "bytes",
)
def test_what_cannot_be_read_says_why(text: str | bytes, words: str) -> None:
    assert words in refused(text)


def test_a_packed_chart_says_to_render_it() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        chart = tarfile.TarInfo("chart/Chart.yaml")
        chart.size = len(WIDGETS)
        tar.addfile(chart, io.BytesIO(WIDGETS.encode()))
    assert "a tar file: unpack it first; a Helm chart is rendered with `helm template" in refused(packed.getvalue())


BUNDLE = {"annotations": {"operators.operatorframework.io.bundle.manifests.v1": "manifests/"}}
CHART = {"apiVersion": "v2", "name": "widgets", "version": "1.2.3"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<!DOCTYPE html>\n<html><body>Log in</body></html>", "a page of HTML, not a manifest"),
        ("\n <html lang='en'>", "a page of HTML"),
        ("<?xml version='1.0'?><Error/>", "XML or HTML, not a manifest"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "a pointer of Git LFS"),
        (f"a: b\n<<<<<<< HEAD\n{WIDGETS}", "a merge was left unfinished at line 2"),
        (WIDGETS.replace("name: widgets", "name: {{ .Values.name }}", 1), "a template, not a manifest ({{ at line 4)"),
        (WIDGETS.replace("  scope", "  {{- with .x }}\n  scope"), "a template, not a manifest ({{ at line 8)"),
        (WIDGETS.replace("  scope", "  {% if x %}\n  scope"), "a template, not a manifest ({% at line 8)"),
        (
            WIDGETS.replace("name: widgets", "name: ${NAME}", 1),
            "a template, not a manifest (${NAME} at line 4): fill in",
        ),
        ("resources:\n- bases/a.yaml\n", "a kustomization, which names manifests and changes them: build it"),
        ("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n", "a kustomization"),
        (f"{WIDGETS}---\napiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n", "a kustomization"),
        (yaml.safe_dump(BUNDLE), "metadata of an OLM bundle, no manifest: give its folder manifests/ alone"),
        (yaml.safe_dump({"schema": "olm.bundle", "name": "a.v1"}), "an OLM catalog: give the folder manifests/"),
        (json.dumps({"schema": "olm.package"}) * 2, "an OLM catalog"),
        (yaml.safe_dump(CHART), "a Helm chart's Chart.yaml: render the chart"),
        ("apiVersion: operators.coreos.com/v1alpha1\nkind: ClusterServiceVersion\nmetadata: {name: a}\n", "OLM bundle"),
        (
            json.dumps({"apiVersion": "v1", "kind": "Template", "objects": crds_of("widgets")}),
            "render it with `oc process`",
        ),
    ],
)
def test_what_people_give_for_a_manifest_is_named_with_what_to_do(text: str, words: str) -> None:
    assert words in refused(text)


def packed(text: str, *, zipped: bool = False) -> str:
    return base64.b64encode(gzip.compress(text.encode()) if zipped else text.encode()).decode()


@pytest.mark.parametrize(
    ("kind", "field", "value", "pipe"),
    [
        ("ConfigMap", "data", WIDGETS, ""),
        ("ConfigMap", "data", JSON_WIDGETS, ""),
        ("ConfigMap", "binaryData", packed(WIDGETS, zipped=True), " | base64 -d | gunzip"),
        ("Secret", "data", packed(WIDGETS), " | base64 -d"),
        ("Secret", "stringData", WIDGETS, ""),
    ],
)
def test_what_holds_crds_says_how_to_get_them_out(kind: str, field: str, value: str, pipe: str) -> None:
    text = json.dumps({"apiVersion": "v1", "kind": kind, "metadata": {"name": "c"}, field: {"a": "b", "crds": value}})
    assert parse(text.encode(), "x").hint == (
        f"{kind} c holds CRDs as text ({field}, crds): get them out, for example "
        f"`yq -r '.{field}[\"crds\"]' FILE{pipe} | asyncmigrate plan -f -`"
    )


@pytest.mark.parametrize(
    "text",
    [
        CONFIGMAP,
        f"{CONFIGMAP}data:\n",
        f"{CONFIGMAP}data: {{a: 'the kind: CustomResource'}}\n",
        f"{CONFIGMAP}binaryData: {{a: '%%%', b: H4sI}}\n",
        "apiVersion: v1\nkind: Secret\ndata: {a: [1]}\n",
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nspec: {components: []}\n",
        f"{WIDGETS}---\n{HOLDER}",
    ],
)
def test_other_objects_are_left_aside_without_a_word(text: str) -> None:
    assert parse(text.encode(), "x").hint == ""


def test_a_template_in_a_description_is_none() -> None:
    text = WIDGETS.replace("**bold** words", "{{ .Values.a }}\n              ${A}: {{ b }}")
    assert names(text) == ["widgets.example.com"]
    assert "malformed CustomResourceDefinition" in refused(text.replace("'!='", "'!='\nspec: 1").replace("{{", "''"))


def test_text_ends_its_lines_in_one_way_and_has_no_mark() -> None:
    assert decoded(b"\xef\xbb\xbfa\r\nb\rc\n\xef\xbb\xbf\xef\xbb\xbfd\xef\xbb\xbf", "x") == "a\nb\nc\nd\ufeff"


@pytest.mark.parametrize("several", [True, False])
def test_a_hint_names_the_file_that_it_is_about_in_a_folder(
    tmp_path: Path,
    several: bool,  # noqa: FBT001
) -> None:
    folder = tmp_path
    (folder / "b.yaml").write_text(HOLDER)
    if several:
        (folder / "a.yaml").write_text(CONFIGMAP)
    reader = Reader([folder if several else folder / "b.yaml"])
    assert reader.next_batch() == []
    with pytest.raises(ManifestError) as caught:
        reader.check_any()
    where = f"{folder}: no CustomResourceDefinition in it; {folder}/b.yaml: ConfigMap components holds CRDs"
    alone = f"{folder}/b.yaml: no CustomResourceDefinition in it; ConfigMap components holds CRDs"
    assert str(caught.value).startswith(where if several else alone)


def test_a_folder_with_manifests_below_it_says_to_add_r(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "crd.yaml").write_text(WIDGETS)
    reader = Reader([tmp_path])
    assert reader.next_batch() == []
    with pytest.raises(ManifestError, match=r"no CustomResourceDefinition in it, but .*/below has manifests: add -R$"):
        reader.check_any()


def test_the_template_of_a_chart_is_told_as_such_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "crd.yaml").write_text(TEMPLATE)
    with pytest.raises(ManifestError, match=r"crd\.yaml: a template, not a manifest \(\{\{ at line 1\)"):
        Reader([tmp_path]).next_batch()
