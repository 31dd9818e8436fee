"""When the source of a manifest is read for the schemas: how often, how much of it, and what if it has changed."""

from __future__ import annotations

import json
import os
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import yaml

from asyncmigrate._manifests import schemas
from asyncmigrate._manifests.parse import parse_whole
from asyncmigrate._manifests.schemas import SchemaReader
from asyncmigrate.errors import ManifestError
from tests.unit.test_manifest_schemas import (
    GADGETS,
    SCHEMAS,
    TWO,
    WIDGETS,
    as_list,
    found_in,
    manifest,
    read_all,
    schema,
)

# Sources that can be read only once


def test_standard_input_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with _as_stdin(TWO.encode(), monkeypatch):
        found = found_in("-")
    assert read_all(found) == SCHEMAS
    assert {f.source for f in found} == {"-"}


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=[TWO])
    writer.start()
    found = found_in(path)
    writer.join()
    assert read_all(found) == SCHEMAS


def test_a_url_is_fetched_once() -> None:
    fetched: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fetched.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(TWO.encode())

        def log_message(self, *_: object) -> None:
            pass

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            found = found_in(f"http://127.0.0.1:{server.server_address[1]}/crds.yaml")
            assert read_all(found) == SCHEMAS
        finally:
            server.shutdown()
    assert fetched == ["/crds.yaml"]


def test_what_is_kept_of_them_is_small_and_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = [f"field{n}" for n in range(2000)]
    text = yaml.safe_dump_all([manifest(v1=schema(*fields)), manifest("gadgets", v1=schema(*fields))]).encode()
    with _as_stdin(text, monkeypatch):
        widgets, gadgets = found_in("-")
    assert widgets.origin is gadgets.origin
    assert len(widgets.origin.kept or b"") < len(text) / 5


def test_nothing_is_kept_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "crds.yaml").write_text(TWO)
    assert [f.origin.kept for f in found_in(tmp_path)] == [None, None]


# Sources that change in between


@pytest.mark.parametrize(
    "text",
    [
        yaml.safe_dump(GADGETS),
        yaml.safe_dump(manifest(v1=schema("old"), v3=schema("new"))),
        yaml.safe_dump(manifest(v2=schema("new"), v1=schema("old"))),
        "",
    ],
    ids=["without the CRD", "with another version", "with another storage version", "empty"],
)
def test_a_source_that_has_changed_is_an_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "crds.yaml"
    path.write_text(TWO)
    widgets, _ = found_in(path)
    path.write_text(text)
    with pytest.raises(ManifestError) as caught:
        SchemaReader().read(widgets)
    assert str(caught.value) == f"{path}: it has changed since CRD widgets.example.com was read from it: try again"


def test_a_source_that_is_no_yaml_any_more_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "crds.yaml"
    path.write_text(TWO)
    widgets, _ = found_in(path)
    path.write_text(f"{TWO}---\nbroken: [\n")
    reader = SchemaReader()
    assert reader.read(widgets) == SCHEMAS["widgets"]  # the rest is not looked at
    path.write_text(TWO.replace("spec:", "spec: ["))
    with pytest.raises(ManifestError, match="not valid YAML"):
        SchemaReader().read(widgets)


def test_a_source_that_has_gone_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "crds.yaml"
    path.write_text(TWO)
    widgets, gadgets = found_in(path)
    reader = SchemaReader()
    reader.read(widgets)
    path.unlink()
    assert reader.read(gadgets) == SCHEMAS["gadgets"]  # from the text that it has
    with pytest.raises(ManifestError) as caught:
        SchemaReader().read(widgets)
    problem = "cannot be read a second time, for its schemas: No such file or directory"
    assert str(caught.value) == f"{path}: {problem}"


# How much is read


def test_of_a_large_text_only_the_piece_with_the_crd_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plurals = [f"kind{n}s" for n in range(300)]
    path = tmp_path / "crds.yaml"
    path.write_text(yaml.safe_dump_all([manifest(p, v1=schema(p), v2=schema(p, "more")) for p in plurals]))
    size = path.stat().st_size
    found = found_in(path)
    parsed = _count_parsed(monkeypatch)
    assert read_all(found[::-1]) == {p: {"v1": schema(p), "v2": schema(p, "more")} for p in plurals}
    assert len(parsed) == 300
    assert sum(parsed) <= size
    assert read_all([found[7]]) == {"kind7s": {"v1": schema("kind7s"), "v2": schema("kind7s", "more")}}


@pytest.mark.parametrize("text", [json.dumps(as_list(WIDGETS, GADGETS)), yaml.safe_dump(as_list(WIDGETS, GADGETS))])
def test_a_list_is_parsed_once(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "crds.yaml"
    path.write_text(text)
    found = found_in(path)
    parsed = _count_parsed(monkeypatch)
    assert read_all(found) == SCHEMAS
    assert len(parsed) == 1


def _count_parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the texts that are parsed from now on with their schemas."""
    parsed: list[int] = []

    def counted(text: str, source: str, *, exact: bool) -> list[tuple[Any, Any]]:
        parsed.append(len(text))
        return parse_whole(text, source, exact=exact)

    monkeypatch.setattr(schemas, "parse_whole", counted)
    return parsed


@contextmanager
def _as_stdin(text: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    read_end, write_end = os.pipe()
    writer = threading.Thread(target=_write, args=[write_end, text])
    writer.start()
    read = os.read
    with monkeypatch.context() as patched:
        patched.setattr(os, "read", lambda fd, count: read(read_end if fd == 0 else fd, count))
        yield
    writer.join()
    os.close(read_end)


def _write(end: int, text: bytes) -> None:
    with os.fdopen(end, "wb") as file:
        file.write(text)
