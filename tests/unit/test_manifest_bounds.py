"""What is made to take all memory or time: it is refused within bounds, and what was too much is told."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from asyncmigrate._manifests.given import Place
from asyncmigrate._manifests.limits import MOST_BYTES, MOST_VALUES
from asyncmigrate._manifests.reader import Reader
from asyncmigrate._manifests.text import unpacked
from asyncmigrate.errors import ManifestError
from tests.unit.manifest_texts import CONFIGMAP, WIDGETS, laughs, nested_lists

READ = """
import os, sys
from asyncmigrate._manifests.reader import Reader
from asyncmigrate._manifests.schemas import SchemaReader
from asyncmigrate.errors import ManifestError
os.setuid(int(sys.argv[1]))
for source in sys.argv[2:]:
    try:
        reader, schemas = Reader([source]), SchemaReader()
        while batch := reader.next_batch():
            for found in batch:
                schemas.read(found)
        reader.check_any()
        print("read")
    except ManifestError as error:
        print(error)
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


class Ended(msgspec.Struct):
    """What a process said of each manifest that it read, and what that took."""

    said: list[str]
    cpu_seconds: float
    mb: float


def read_apart(*sources: str | Path, stdin: int = subprocess.DEVNULL, user: int | None = None) -> Ended:
    """Read in a process of its own, with CRDs and schemas."""
    args = [sys.executable, "-c", READ, str(os.getuid() if user is None else user), *sources]
    # To be measured would double its time, and another user may not write down what was found.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    process = subprocess.Popen(args, env=env, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    with process.stdout:
        said = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, said
    *lines, peak = said.strip().split("\n")
    assert len(lines) == len(sources)
    return Ended(lines, usage.ru_utime + usage.ru_stime, int(peak.split()[1]) / 1024)


ALIASES = "aliases make"
DEEP = "nested more than 1,000 levels deep"
# How a level may be written so that a reader takes no notice of its anchor.
FORMS = {
    "plain": "{name}: &{name} [{items}]\n",
    "tag": "{name}: !!seq &{name} [{items}]\n",
    "tag after the anchor": "{name}: &{name} !!seq [{items}]\n",
    "no tag": "{name}: ! &{name} [{items}]\n",
    "tag in full": "{name}: !<tag:yaml.org,2002:seq> &{name} [{items}]\n",
    "on a line alone": "{name}:\n  &{name}\n  [{items}]\n",
    "tab": "{name}:\t&{name} [{items}]\n",
    "after a comment": "{name}: # a\n  &{name} [{items}]\n",
    "block": "{name}: &{name}\n- [{items}]\n",
    "in a sequence": "{name}: [&{name} [{items}]]\n",
    "map": "{name}: &{name} {{k: [{items}]}}\n",
    "CRLF": "{name}: &{name} [{items}]\r\n",
}


SMALL = {
    **{form: (laughs(12, text), ALIASES) for form, text in FORMS.items()},
    "many levels": (laughs(200, FORMS["tag"]), ALIASES),
    "Lists": (nested_lists(30), ALIASES),
    "as JSON": ("{" + laughs(12, '"{name}":&{name} [{items}],') + '"end":1}', ALIASES),
    "merges": (
        "a0: &a0 {k: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 60)),
        ALIASES,
    ),
    "a chain": ("a0: &a0 []\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 9_000)), ALIASES),
    "in a schema": (
        WIDGETS.replace("type: object\n", f"x: 1\n{laughs(9, '        {name}: &{name} [{items}]' + chr(10))}", 1),
        ALIASES,
    ),
    "in itself": ("a: &a [*a]", "stands inside of what it stands for"),
    "deep sequences": ("- " * 500_000, DEEP),
    "deep keys": ("? " * 500_000, DEEP),
    "deep maps": ("".join(f"{' ' * n}a:\n" for n in range(1_500)), DEEP),
    "deep flow": ("[" * 500_000, DEEP),
    "deep JSON": ('{"a":' * 500_000, DEEP),
    "deep Lists": ('{"apiVersion": "v1", "kind": "List", "items": [' * 900 + "]}" * 900, DEEP),
    "directives": (
        "".join(f"%TAG !a{n}! x\n" for n in range(100_000)) + "---\na: 1",
        "more than 1,000 %TAG directives",
    ),
}
LARGE = {
    "flow": (f"a: [{'[],' * 300_000}]", "not a Kubernetes object"),
    "JSON": (f'{{"a": [{"[]," * (MOST_VALUES + 1)}]}}', f"more than {MOST_VALUES:,} values"),
    "JSON back to back": ("{}" * (MOST_VALUES + 1), f"more than {MOST_VALUES:,} values"),
    "empty lines": ("\n" * 3_000_000 + "a: b & *c", "not a Kubernetes object"),
    "what looks like a template": ("x: y: " + ": {" * 500_000 + "a- $" * 500_000, "not valid YAML"),
    "what looks like tokens": ("x: '" + " *a &b !c" * 300_000 + "'", "not a Kubernetes object"),
    "wrong bytes": (b"\xff" * (8 << 20), "not a Kubernetes object"),
    "more wrong bytes": (b"\xff" * (9 << 20), "no UTF-8 text: invalid start byte at byte 0"),
    "a ConfigMap": (f"{CONFIGMAP}data: {{a: 'kind:{' ' * 3_000_000}'}}", "no CustomResourceDefinition in it"),
    "a Secret": (f"{CONFIGMAP.replace('ConfigMap', 'Secret')}data: {{a: {'H4sI' * 1_000_000}}}", "no CustomResource"),
}


def test_bombs_of_little_text_take_little_time_and_memory(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.yaml" for number in range(len(SMALL))]
    for path, (text, _) in zip(paths, SMALL.values(), strict=True):
        path.write_bytes(text.encode())
    ended = read_apart(*paths)
    for name, said, (_, words) in zip(SMALL, ended.said, SMALL.values(), strict=True):
        assert words in said, name
    assert ended.cpu_seconds < 15  # 2 on a machine with nothing else to do
    assert ended.mb < 150


@pytest.mark.parametrize(("text", "words"), LARGE.values(), ids=LARGE)
def test_bombs_take_time_and_memory_in_proportion_to_their_text(text: str | bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    ended = read_apart(path)
    assert words in ended.said[0]
    size = path.stat().st_size
    assert ended.cpu_seconds < 2 + size / 500_000
    assert ended.mb < 100 + 40 * size / 1_000_000


def test_the_bombs_of_some_hundred_bytes_take_no_second_and_no_200_mb(tmp_path: Path) -> None:
    for bomb in (laughs(7, FORMS["tag"]), nested_lists(6)):
        path = tmp_path / "bomb.yaml"
        path.write_text(bomb)
        assert path.stat().st_size < 1_000
        ended = read_apart(path)
        assert ALIASES in ended.said[0]
        assert ended.cpu_seconds < 1
        assert ended.mb < 200


def test_gzip_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.yaml.gz"
    zeros = gzip.compress(b"\0" * (MOST_BYTES // 4))
    path.write_bytes(zeros * 40)
    ended = read_apart(path)
    assert ended.said[0] == f"{path}, unpacked: larger than 128 MiB: is that the right file? If it is, split it"
    assert ended.mb < 500


def test_many_gzip_files_in_one_are_read_in_a_time_that_is_proportional() -> None:
    assert unpacked(gzip.compress(b"") * 50_000 + gzip.compress(b"a"), "x") == b"a"


def test_what_has_no_end_is_refused_at_the_bound(tmp_path: Path) -> None:
    ended = read_apart("/dev/zero")
    assert ended.said[0] == "/dev/zero: larger than 128 MiB: is that the right file? If it is, split it"
    assert ended.mb < 400
    with Path("/dev/zero").open("rb") as zero:
        assert read_apart("-", stdin=zero.fileno()).said[0].startswith("-: larger than 128 MiB")
    large = tmp_path / "large.yaml"
    with large.open("wb") as file:
        file.truncate(MOST_BYTES + 1)  # without a block on the disk
    ended = read_apart(large)
    assert ended.said[0].startswith(f"{large}: larger than 128 MiB")
    assert ended.mb < 100


def test_a_large_file_of_crds_is_read(tmp_path: Path) -> None:
    path = tmp_path / "crds.yaml"
    crds = [WIDGETS.replace("widgets", f"widgets{n}").replace("{app: web}", "{}") for n in range(3_000)]
    path.write_text("---\n".join(crds))
    as_list = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [json.loads(json.dumps({"kind": "X", "apiVersion": "v1"}))] * 9,
    }
    (tmp_path / "list.json").write_text(json.dumps(as_list))
    reader = Reader([tmp_path])
    found = 0
    while batch := reader.next_batch():
        found += len(batch)
    assert found == 3_000


# Names and folders


def told(source: str | Path | Place) -> str:
    with pytest.raises(ManifestError) as caught:
        Reader([source]).next_batch()
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere.yaml", "nowhere.yaml: no such file or folder"),
        ("a" * 300, f"{'a' * 200}…: cannot be read: File name too long"),
        ("a/" * 5_000, "cannot be read: File name too long"),
        ("a\0b", "cannot be read: embedded null byte"),
        ("/dev/null/a.yaml", "/dev/null/a.yaml: cannot be read: Not a directory"),
        ("*.nothing", "*.nothing: no file has a name like this"),
        ("ftp://example.com/a.yaml", "neither a file nor an http or https URL"),
    ],
)
def test_a_name_of_no_file_is_told(name: str, words: str) -> None:
    assert words in told(name)


def test_a_name_that_is_empty_is_told() -> None:
    assert "no such file or folder" in told(Place(""))


def test_a_link_to_nothing_or_to_itself_is_told(tmp_path: Path) -> None:
    (tmp_path / "crd.yaml").symlink_to(tmp_path / "gone.yaml")
    assert told(tmp_path) == f"{tmp_path}/crd.yaml: no such file or folder"
    (tmp_path / "crd.yaml").unlink()
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    assert told(tmp_path / "loop.yaml") == f"{tmp_path}/loop.yaml: cannot be read: Too many levels of symbolic links"
    assert told(tmp_path).startswith(f"{tmp_path}/loop.yaml: cannot be read: Too many levels")


@pytest.fixture
def user(tmp_path: Path) -> int | None:
    """A user whom permissions hold: root may read everything."""
    if os.getuid():
        return None
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o005:
            folder.chmod(folder.stat().st_mode | 0o005)
    return 65_534


def lock_file(folder: Path) -> Path:
    (folder / "crd.yaml").chmod(0)
    return folder / "crd.yaml"


def lock_folder(folder: Path) -> Path:
    folder.chmod(0)
    return folder


def lock_way(folder: Path) -> Path:
    folder.chmod(0)
    return folder / "crd.yaml"


@pytest.mark.parametrize("lock", [lock_file, lock_folder, lock_way])
def test_what_one_may_not_read_is_told(lock: Callable[[Path], Path], tmp_path: Path, user: int | None) -> None:
    folder = tmp_path / "crds"
    folder.mkdir()
    (folder / "crd.yaml").write_text(WIDGETS)
    locked = lock(folder)
    try:
        assert read_apart(locked, user=user).said == [f"{locked}: cannot be read: Permission denied"]
    finally:
        folder.chmod(0o755)


def test_patterns_and_packed_files_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(WIDGETS)
    (tmp_path / "b.yaml.gz").write_bytes(gzip.compress(WIDGETS.replace("widgets", "gadgets").encode()))
    (tmp_path / "c.gz").write_bytes(b"not looked at")

    def names(source: Path) -> list[str]:
        return [found.crd.plural for found in Reader([source]).next_batch()]

    assert names(tmp_path) == ["widgets", "gadgets"]
    assert names(tmp_path / "[ab].yaml*") == ["widgets", "gadgets"]
    assert names(tmp_path / "b*") == ["gadgets"]
