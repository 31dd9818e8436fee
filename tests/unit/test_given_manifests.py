"""What `plan(manifests=...)` takes: paths, URLs, texts, dicts and objects of Kubernetes clients, alone or mixed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import kr8s.asyncio.objects
import kubernetes.client
import kubernetes_asyncio.client
import pytest
import yaml

from asyncmigrate import Cluster, droppable, plan
from asyncmigrate._manifests.given import Place, as_mapping
from asyncmigrate._manifests.reader import Found, Reader
from asyncmigrate._manifests.schemas import SchemaReader
from asyncmigrate._model import CRD
from asyncmigrate.errors import ManifestError, UsageError
from tests.bed.bed import EmbeddedBed
from tests.bed.scenes import Manifest, crd, obj

SCHEMA: Manifest = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer", "not": {"enum": [0]}, "default": 1},
                "any": {"x-kubernetes-preserve-unknown-fields": True, "type": "object"},
                "either": {"x-kubernetes-int-or-string": True},
                "list": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            },
        }
    },
}
NEXT = crd("example.com", "v2", "v1", "v2", schemas={"v1": SCHEMA, "v2": SCHEMA})
NAME = "widgets.example.com"


class Body:
    """What a client's `deserialize` takes for an answer."""

    def __init__(self, body: object) -> None:
        self.data = json.dumps(body)


def model(library: Any, body: object, kind: str) -> Any:  # noqa: ANN401 -- the clients are not typed alike
    client = library.client.ApiClient.__new__(library.client.ApiClient)
    client.configuration = library.client.Configuration()
    try:
        return client.deserialize(json.dumps(body), kind, "application/json")
    except TypeError:
        return client.deserialize(Body(body), kind)


def listed(library: Any) -> Any:  # noqa: ANN401
    """As the API answers a list: its items have neither kind nor apiVersion."""
    item = {k: v for k, v in NEXT.items() if k not in {"kind", "apiVersion"}}
    body = {"kind": "CustomResourceDefinitionList", "apiVersion": "apiextensions.k8s.io/v1", "items": [item]}
    return model(library, body | {"metadata": {}}, "V1CustomResourceDefinitionList")


def found_in(manifests: Any) -> list[Found]:  # noqa: ANN401 -- anything may be given
    reader, found = Reader(manifests), []
    while batch := reader.next_batch():
        found += batch
    return found


SOURCES: dict[str, Callable[[Path], Any]] = {
    "a path as str": str,
    "a Path": lambda path: path,
    "YAML": lambda _: yaml.safe_dump(NEXT),
    "JSON on one line": lambda _: json.dumps(NEXT),
    "bytes": lambda _: yaml.safe_dump(NEXT).encode(),
    "an open file": lambda path: path.open(),
    "open files": lambda path: [path.open("rb")],
    "UTF-16": lambda _: yaml.safe_dump(NEXT).encode("utf-16"),
    "a dict": lambda _: NEXT,
    "a List": lambda _: {"apiVersion": "v1", "kind": "List", "items": [NEXT]},
    "a list": lambda _: [NEXT],
    "a tuple of a Path": lambda path: (path,),
    "documents with an empty one": lambda _: yaml.safe_load_all(yaml.safe_dump_all([NEXT, None])),
    "kubernetes": lambda _: model(kubernetes, NEXT, "V1CustomResourceDefinition"),
    "kubernetes_asyncio": lambda _: [model(kubernetes_asyncio, NEXT, "V1CustomResourceDefinition")],
    "kubernetes, listed": lambda _: listed(kubernetes).items,
    "kubernetes_asyncio, listed": lambda _: listed(kubernetes_asyncio),
    "kr8s": lambda _: kr8s.asyncio.objects.CustomResourceDefinition(NEXT, api=object()),  # type: ignore[arg-type]
    "kr8s in a list": lambda _: [kr8s.asyncio.objects.CustomResourceDefinition(NEXT, api=object())],  # type: ignore[arg-type]
    "kubernetes' dynamic client": lambda _: kubernetes.dynamic.resource.ResourceInstance(None, NEXT),  # type: ignore[no-untyped-call]
}


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES.keys())
def test_a_source_alone(make: Callable[[Path], Any], tmp_path: Path) -> None:
    path = tmp_path / "crd.json"
    path.write_text(json.dumps(NEXT, indent=1))
    given = make(path)
    [found] = found_in(given)
    for file in given if isinstance(given, list) else [given]:
        if callable(getattr(file, "close", None)):
            file.close()
    [expected] = found_in(path)
    assert found.crd == expected.crd
    assert SchemaReader().read(found) == {"v1": SCHEMA, "v2": SCHEMA}


def test_sources_are_mixed_and_named_by_their_place(tmp_path: Path) -> None:
    path = tmp_path / "crd.json"
    path.write_text(json.dumps(crd("a.com", "v1", "v1")))
    mixed = [path, crd("b.com", "v1", "v1"), yaml.safe_dump(crd("c.com", "v1", "v1")), None, listed(kubernetes)]
    found = found_in(mixed)
    assert [f.crd.group for f in found] == ["a.com", "b.com", "c.com", "example.com"]
    assert [f.source for f in found] == [str(path), "manifests[1]", "manifests[2]", "manifests[4]"]


def test_a_file_of_such_a_name_is_not_read_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "manifests[0]").write_text("no CRD")
    [found] = found_in([NEXT])
    assert SchemaReader().read(found)["v1"] == SCHEMA


async def an_async_list() -> AsyncIterator[Manifest]:
    yield NEXT


LOOP: Manifest = {"kind": "CustomResourceDefinition"}
LOOP["spec"] = LOOP
REFUSED: list[tuple[Any, str]] = [
    ("", "manifests is an empty text: give paths"),
    ([""], r"manifests\[0\] is an empty text"),
    (5, "manifests is int: give paths, URLs, texts, open files, dicts, and objects of Kubernetes clients"),
    ([NEXT, 5], r"manifests\[1\] is int"),
    ([[NEXT]], r"manifests\[0\] is list"),
    (dict, "manifests is type"),
    (kubernetes.client.V1CustomResourceDefinition, "manifests is "),
    (an_async_list(), r"async iterable: give a list, \[m async for m in ...\]"),
    (CRD(name="a.b", group="b", plural="a", kind="A"), "manifests is CRD"),
]


@pytest.mark.parametrize(("given", "words"), REFUSED)
def test_what_is_no_source_is_refused_in_a_line(given: Any, words: str) -> None:  # noqa: ANN401
    with pytest.raises(UsageError, match=words):
        Reader(given)


BROKEN: list[tuple[Any, str]] = [
    (LOOP, "manifests: cannot be told as JSON"),
    ({"a": 1}, "manifests, document 1: not a Kubernetes object"),
    ({NAME: NEXT}, "manifests, document 1: not a Kubernetes object"),
    ({**NEXT, "spec": object()}, "manifests: cannot be told as JSON: a object in it"),
    ("kind: a\n b: c\n", "manifests: not valid YAML"),
    ([path := "no/such/file"], f"{path}: no such file or folder"),
]


@pytest.mark.parametrize(("given", "words"), BROKEN)
def test_what_is_broken_is_named(given: Any, words: str) -> None:  # noqa: ANN401
    with pytest.raises(ManifestError, match=words):
        found_in(given)


def test_a_file_may_be_named_like_a_text(tmp_path: Path) -> None:
    path = tmp_path / "{a}\nb.json"
    path.write_text(json.dumps(NEXT))
    assert [f.source for f in found_in([path, Place(str(path))])] == [str(path)] * 2


def test_a_kind_that_is_no_crd_is_left_aside() -> None:
    assert found_in([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}, NEXT])[0].crd.name == NAME
    assert as_mapping("text") is None


async def test_the_engine_takes_them_and_compares_their_schemas(embedded: EmbeddedBed) -> None:
    embedded.server.apply_crd(crd("example.com", "v1", "v1"))
    async with Cluster.from_kubeconfig(embedded.kubeconfig()) as cluster:
        [found] = (await plan(cluster, manifests=crd("example.com", "v1", "v1", "v2"), names=NAME)).crds
        assert found.changes
        assert found.changes.added == ("v2",)
        with pytest.raises(ManifestError, match=r"^manifests: no CustomResourceDefinition in it"):
            await plan(cluster, manifests=[])
        with pytest.raises(UsageError, match="'widgets' is no CRD's name"):
            await plan(cluster, names="widgets")
        with pytest.raises(UsageError, match="names is 5"):
            await plan(cluster, names=5)  # type: ignore[arg-type]


async def test_droppable_takes_them_too(embedded: EmbeddedBed) -> None:
    embedded.server.apply_crd(NEXT)
    widget = obj(NEXT, "v1", "w")
    async with Cluster.from_kubeconfig(embedded.kubeconfig()) as cluster:
        for manifests in (widget, [yaml.safe_dump(widget)]):
            found = await droppable(cluster, NAME, version="v1", manifests=manifests)
            assert found.versions[0].manifests
            assert found.versions[0].manifests[0].names == ("default/w",)
        with pytest.raises(UsageError, match="manifests is int"):
            await droppable(cluster, NAME, manifests=5)
