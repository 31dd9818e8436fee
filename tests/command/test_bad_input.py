"""Bad input: each kind gets one line that says what is wrong and where, and its exit code."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from tests.bed.bed import Bed, EmbeddedBed, RealBed, real_kubeconfig
from tests.bed.processes import free_port
from tests.bed.scenes import crd
from tests.command.runner import asyncmigrate
from tests.unit.manifest_texts import READ, REFUSED

CONTEXT = "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
SECRET = "s3cr3t-t0k3n"  # noqa: S105 -- to be looked for where it must not be
USER = f"users: [{{name: u, user: {{token: {SECRET}}}}}]\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no current-context is set"),
        ("a: [1\nb: }", "not valid YAML at line 2"),
        ("clusters: []\ncontexts: []\nusers: []", "no current-context is set"),
        (f"current-context: z\ncontexts: []\nclusters: []\n{USER}", "context 'z' does not exist"),
        (f"{CONTEXT}clusters: []\n{USER}", "names cluster 'c', which is not in the file"),
        (f"{CONTEXT}clusters: [{{name: c, cluster: {{}}}}]\n{USER}", "its cluster has no server address"),
        (
            f"{CONTEXT}clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:1'}}}}]\n"
            f"users: [{{user: {{token: {SECRET}}}}}]",
            "missing required field `name`",
        ),
        (
            f"{CONTEXT}clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:1', "
            f"certificate-authority-data: '%%%'}}}}]\n{USER}",
            "certificate-authority-data is not base64",
        ),
        (
            f"{CONTEXT}clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:1'}}}}]\n"
            "users: [{name: u, user: {exec: {command: no-such-plugin, "
            "apiVersion: client.authentication.k8s.io/v1}}}]",
            "No such file or directory: no-such-plugin",
        ),
    ],
)
async def test_a_broken_kubeconfig_is_exit_4_and_none_of_it_is_quoted(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    ended = await asyncmigrate("plan", "--kubeconfig", path, home=tmp_path)
    assert ended.code == 4
    assert words in ended.error
    assert str(path) in ended.error
    assert SECRET not in ended.err + ended.out


async def test_a_missing_kubeconfig_is_exit_4(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    cases: list[tuple[list[str], dict[str, str]]] = [
        (["--kubeconfig", nowhere], {}),
        ([], {"KUBECONFIG": nowhere}),
        ([], {}),
    ]
    for args, env in cases:
        ended = await asyncmigrate("plan", *args, home=tmp_path, env=env)
        assert ended.code == 4
        assert "no kubeconfig at" in ended.error


async def test_an_unknown_context_is_exit_4(bed: Bed, tmp_path: Path) -> None:
    ended = await asyncmigrate("plan", "--kubeconfig", bed.kubeconfig(), "--context", "elsewhere", home=tmp_path)
    assert ended.code == 4
    assert "context 'elsewhere' does not exist" in ended.error


async def test_a_refused_port_is_exit_4_at_once(embedded: EmbeddedBed, tmp_path: Path) -> None:
    config = embedded.server.kubeconfig()
    config["clusters"][0]["cluster"]["server"] = f"http://127.0.0.1:{free_port()}"
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    for args in ([], [f"widgets.{embedded.group}"], ["-f", write(tmp_path, crd(embedded.group, "v1", "v1"))]):
        ended = await asyncmigrate("plan", *args, "--kubeconfig", path, home=tmp_path)
        assert ended.code == 4
        assert "cannot be reached" in ended.error


@pytest.mark.real
async def test_a_wrong_ca_is_exit_4(real_bed: RealBed, tmp_path: Path) -> None:
    config = real_kubeconfig(real_bed.server, "admin-token")
    ca = tmp_path / "wrong-ca.pem"
    trustme.CA().cert_pem.write_to_path(ca)
    config["clusters"][0]["cluster"]["certificate-authority"] = str(ca)
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    ended = await asyncmigrate("plan", f"widgets.{real_bed.group}", "--kubeconfig", path, home=tmp_path)
    assert ended.code == 4
    assert "no trust between client and server" in ended.error


@pytest.mark.parametrize("args", [[], ["widgets.example.com"]])
async def test_an_expired_token_is_exit_4(bed: Bed, tmp_path: Path, args: list[str]) -> None:
    path = bed.kubeconfig()
    path.write_text(path.read_text().replace("admin-token", "expired-token"))
    ended = await asyncmigrate("plan", *args, "--kubeconfig", path, home=tmp_path)
    assert ended.code == 4
    assert "401 Unauthorized" in ended.error


async def test_a_forbidden_user_is_exit_4(bed: Bed, tmp_path: Path) -> None:
    kubeconfig = bed.kubeconfig("nobody")
    ended = await asyncmigrate("plan", "--kubeconfig", kubeconfig, home=tmp_path)
    assert ended.code == 4
    assert 'User "nobody" cannot list resource "customresourcedefinitions"' in ended.error
    named = await asyncmigrate("plan", "widgets.example.com", "--kubeconfig", kubeconfig, "-o", "json", home=tmp_path)
    assert named.code == 4
    assert [(c["decision"], c["reason"]) for c in named.json["crds"]] == [("failed", "Forbidden")]


@pytest.mark.parametrize(
    "url",
    [
        "http://user:hunter2@127.0.0.1:1/x",
        "http://user:hun/hunter2@127.0.0.1:1/x",
        "http://user:hun#hunter2@127.0.0.1:1/x",
        "http://user:hun?hunter2@127.0.0.1:1/x",
        "http://user:hunter2/x@127.0.0.1:1/x",
        "http://user:hunter2@[::/x",
        "http://127.0.0.1:1/x?token=hunter2",
        "ftp://user:hunter2@127.0.0.1/x",
        " http://user:hunter2@127.0.0.1:1/x",
        " http://user:hunter2@127.0.0.1:1/" + "x" * 5000,
    ],
)
@pytest.mark.parametrize("words", [("plan",), ("droppable", "widgets.example.com")], ids=lambda w: w[0])
async def test_a_password_in_the_url_of_a_manifest_is_not_shown(
    embedded: EmbeddedBed, tmp_path: Path, words: tuple[str, ...], url: str
) -> None:
    for output in ((), ("-o", "json")):
        kubeconfig = ("--kubeconfig", embedded.kubeconfig())
        ended = await asyncmigrate(*words, "-f", url, *output, *kubeconfig, home=tmp_path)
        assert ended.code != 0
        assert ended.error or ended.out
        assert "hunter2" not in ended.out + ended.error


def write(folder: Path, manifest: object) -> Path:
    path = folder / "manifest.json"
    path.write_text(json.dumps(manifest))
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"a: [1,\n", "not valid YAML"),
        (b"{{ .Values.crds }}", "a template, not a manifest ({{ at line 1): render it first"),
        (b"hello: world\n", "document 1: not a Kubernetes object"),
        (b"- 1\n- 2\n", "document 1: not a Kubernetes object"),
        (b"", "no CustomResourceDefinition in it"),
        (b"# only a comment\n---\n", "no CustomResourceDefinition in it"),
        (b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", "no CustomResourceDefinition in it"),
        (b"\xff\xfe\x00", "document 1: not a Kubernetes object"),
        (
            b"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a.b}\nspec: {}\n",
            "malformed CustomResourceDefinition: Object missing required field `group`",
        ),
        (
            b"apiVersion: v1\nkind: ConfigMap\n---\n"
            b"apiVersion: apiextensions.k8s.io/v7\nkind: CustomResourceDefinition\n",
            "document 2: CustomResourceDefinition of unknown version v7",
        ),
    ],
)
async def test_a_broken_manifest_is_exit_2(embedded: EmbeddedBed, tmp_path: Path, text: bytes, words: str) -> None:
    path = tmp_path / "manifest.yaml"
    path.write_bytes(text)
    for verb in ("plan", "run"):
        ended = await asyncmigrate(
            verb, "-f", path, "--kubeconfig", embedded.kubeconfig(), *(["-y"] if verb == "run" else []), home=tmp_path
        )
        assert ended.code == 2
        assert words in ended.error
        assert str(path) in ended.error
    by_stdin = await asyncmigrate("plan", "-f", "-", "--kubeconfig", embedded.kubeconfig(), home=tmp_path, stdin=text)
    assert by_stdin.code == 2
    assert words in by_stdin.error


async def test_a_missing_file_is_exit_2(embedded: EmbeddedBed, tmp_path: Path) -> None:
    ended = await asyncmigrate(
        "plan", "-f", tmp_path / "nowhere.yaml", "--kubeconfig", embedded.kubeconfig(), home=tmp_path
    )
    assert ended.code == 2
    assert "nowhere.yaml: no such file or folder" in ended.error


@pytest.mark.parametrize(
    "form",
    [
        "CRLF, a bare = and Markdown",
        "an anchor defined twice",
        "JSON back to back",
        "a BOM before the second document",
        "a label without a value",
        "UTF-16 of Windows",
        "served: yes",
        "gzip",
    ],
)
async def test_a_manifest_as_people_have_it_is_exit_0(embedded: EmbeddedBed, tmp_path: Path, form: str) -> None:
    text, names = READ[form]
    path = tmp_path / "manifest"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    ended = await asyncmigrate("plan", "-f", path, "-o", "json", "--kubeconfig", embedded.kubeconfig(), home=tmp_path)
    assert ended.code == 0, ended.err
    assert [(c["name"], c["decision"]) for c in ended.json["crds"]] == [(name, "new") for name in sorted(names)]


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED)
async def test_what_is_no_manifest_is_exit_2(
    embedded: EmbeddedBed, tmp_path: Path, text: str | bytes, words: str
) -> None:
    path = tmp_path / "manifest.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    ended = await asyncmigrate("plan", "-f", path, "--kubeconfig", embedded.kubeconfig(), home=tmp_path)
    assert ended.code == 2
    assert words in ended.error
    assert embedded.server.requests == []


STEER = "\x1b[2J\x9b1m\x07\u202e\r\nforged"
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u2028]|^forged", re.MULTILINE)


@pytest.mark.parametrize(
    "change",
    [
        {"apiVersion": f"apiextensions.k8s.io/{STEER}"},
        {"kind": f"{STEER}List", "items": 3},
        {"metadata": {"name": f"widgets{STEER}.example.com"}},
        {"spec": {"group": f"example{STEER}.com", "names": {"plural": "w", "kind": "W"}, "versions": [{"name": "v1"}]}},
        {"spec": {"group": "example.com", "names": {"plural": "w", "kind": "W"}, "scope": STEER}},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": STEER},
            "data": {STEER: "kind: CustomResourceDefinition"},
        },
    ],
    ids=lambda change: next(iter(change)),
)
async def test_what_a_manifest_holds_does_not_steer_the_terminal(
    embedded: EmbeddedBed, tmp_path: Path, change: dict[str, object]
) -> None:
    folder = tmp_path / f"a{STEER}"
    folder.mkdir()
    path = write(folder, crd("example.com", "v1", "v1") | change)
    ended = await asyncmigrate("plan", "-f", path, "-v", "--kubeconfig", embedded.kubeconfig(), home=tmp_path)
    assert ended.code == 2
    assert not UNSAFE.search(ended.out + ended.err)


async def test_a_version_of_a_manifest_does_not_steer_the_terminal(embedded: EmbeddedBed, tmp_path: Path) -> None:
    embedded.server.apply_crd(crd(embedded.group, "v1", "v1"))
    made = crd(embedded.group, "v1", "v1", STEER)
    for how in ((), ("-o", "json"), ("-v",)):
        ended = await asyncmigrate(
            "plan", "-f", write(tmp_path, made), *how, "--kubeconfig", embedded.kubeconfig(), home=tmp_path
        )
        assert (ended.code, STEER[:4].encode("unicode_escape").decode() in ended.out) == (0, how != ("-o", "json"))
        assert not UNSAFE.search(ended.out + ended.err)


@pytest.fixture
async def web_site() -> AsyncIterator[str]:
    """A site with one manifest on it."""

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        if request.path != "/crds.yaml":
            return web.Response(status=404)
        return web.Response(text=json.dumps(crd("web.example.com", "v1", "v1")))

    runner = web.ServerRunner(web.Server(serve, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_url_is_fetched_and_one_that_answers_404_is_exit_2(
    embedded: EmbeddedBed, tmp_path: Path, web_site: str
) -> None:
    kubeconfig = embedded.kubeconfig()
    found = await asyncmigrate(
        "plan", "-f", f"{web_site}/crds.yaml", "--kubeconfig", kubeconfig, "-o", "json", home=tmp_path
    )
    assert [c["name"] for c in found.json["crds"]] == ["widgets.web.example.com"]
    missing = await asyncmigrate("plan", "-f", f"{web_site}/none.yaml", "--kubeconfig", kubeconfig, home=tmp_path)
    assert missing.code == 2
    assert f"{web_site}/none.yaml: cannot be fetched: HTTP 404" in missing.error


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["plan", "--no-such-option"], "No such option"),
        (["plan", "-l", "a b c"], "label selector: cannot read"),
        (["plan", "widgets"], "'widgets' is no CRD's name"),
        (["plan", "widgets.example.com", "-l", "a=b"], "exclude each other"),
        (["plan", "-R"], "-R goes with -f"),
        (["plan", "--request-timeout", "soon"], "'soon' is no duration"),
        (["run", "-y", "--max-in-flight", "0"], "--max-in-flight"),
        (["run"], "there is no terminal to ask on: give -y"),
    ],
)
async def test_wrong_usage_is_exit_2(embedded: EmbeddedBed, tmp_path: Path, args: list[str], words: str) -> None:
    ended = await asyncmigrate(*args, "--kubeconfig", embedded.kubeconfig(), home=tmp_path)
    assert ended.code == 2
    assert words in ended.error
    assert embedded.server.requests == []
