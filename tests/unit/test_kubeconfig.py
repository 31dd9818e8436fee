"""Kubeconfigs, merged as kubectl merges them, and what a caller says in their place: nobody else is acted as."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from asyncmigrate import Cluster, plan
from asyncmigrate._cluster.given_kubeconfig import given_kubeconfig
from asyncmigrate._cluster.identity import Overrides
from asyncmigrate._cluster.kubeconfig import open_kubeconfig
from asyncmigrate._cluster.kubeconfig_choice import Choice, choose
from asyncmigrate._cluster.kubeconfig_files import Source
from asyncmigrate.errors import ConfigError, UsageError
from asyncmigrate.testing import Rule
from tests.bed.bed import EmbeddedBed

SECRET = "s3cr3t"  # noqa: S105 -- to be looked for where it must not be
SERVER = "https://api.example.com:6443"


def config(user: dict[str, Any] | None = None, **cluster: object) -> dict[str, Any]:
    return {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": SERVER} | cluster}],
        "users": [{"name": "u", "user": {"token": "t"} if user is None else user}],
    }


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def chosen(given: dict[str, Any], **said: Any) -> Choice:  # noqa: ANN401 -- Overrides' fields
    return choose(Source(given).read(), Overrides(**said))


def named(name: str, server: str, context: str = "") -> dict[str, Any]:
    return {
        "current-context": context,
        "contexts": [{"name": name, "context": {"cluster": "c", "user": name}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": name, "user": {"token": name}}],
    }


def test_the_first_file_counts_for_each_name_and_the_first_current_context(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    a, b, empty = (tmp_path / name for name in ("a", "b", "empty"))
    write(a, named("a", "https://a") | {"users": [{"name": "b", "user": {"tokenFile": "f"}}]})
    write(b, named("b", "https://b", "b"))
    empty.write_text("")
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, (tmp_path / "nowhere", "", empty, a, b, a))))
    found = choose(Source(None).read(), Overrides())
    assert (found.context, found.cluster.server) == ("b", "https://a")
    # As a whole: b's token does not fill in what a's user of that name lacks. Paths are relative to a's folder.
    assert (found.user.token, found.user.token_file) == ("", str(tmp_path / "f"))


def test_a_first_file_with_a_current_context_is_not_overruled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    paths = [write(tmp_path / n, named(n, f"https://{n}", n)) for n in ("a", "b")]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, paths)))
    assert choose(Source(None).read(), Overrides()).context == "a"


def test_a_broken_file_among_several_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    good, broken = write(tmp_path / "good", config()), tmp_path / "broken"
    monkeypatch.setenv("KUBECONFIG", f"{good}{os.pathsep}{broken}")
    for text, words in (
        (
            f"users: [{{name: u, user: {{token: {SECRET}\n",
            "not valid YAML at line 2, column 1: what is there is not shown",
        ),
        (f"users:\n- name: u\n  user: {{token: *{SECRET}}}\n", "not valid YAML at line 3, column 17: what is there"),
        (f"users: [{{name: u, user: {{token: !{SECRET} }}}}]", "not valid YAML at line 1, column 33: what is there"),
        (
            f"users: [{{name: u, user: {{token: &{SECRET} 1, a: &{SECRET} 2, b: %{SECRET}}}}}]",
            "not valid YAML at line 1",
        ),
        (f"users: [{{name: u, user: {{token: !!python/object:{SECRET} a}}}}]", "not valid YAML at line 1"),
        (f"users: {SECRET}", "not a usable kubeconfig: Expected `array`, got `str`"),
        (SECRET, "not a usable kubeconfig: Expected `object`, got `str`"),
        (f"users: [{{name: 1, user: {{token: {SECRET}}}}}]", "Expected `str`, got `int`"),
        (f"users: [{{name: u, user: &a {{token: {SECRET}, b: *a}}}}]", "not a usable kubeconfig"),
        ("users: [{name: u, user: {}}, {name: u, user: {}}]", "the name 'u' is there twice"),
    ):
        broken.write_text(text)
        with pytest.raises(ConfigError) as caught:
            Source(None).read()
        assert str(broken) in str(caught.value)
        assert words in str(caught.value)
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        *(f"!!{tag} {SECRET}é" for tag in ("int", "float", "bool", "timestamp", "binary", "set")),
        "2026-02-31",
        "!!int ''",
    ],
)
def test_a_value_that_is_not_what_its_tag_says_is_one_line(tmp_path: Path, value: str) -> None:
    text = f"clusters: []\nusers: [{{name: u, user: {{token: {value}}}}}]\n"
    (tmp_path / "config").write_text(text)
    for read in (Source(tmp_path / "config").read, partial(given_kubeconfig, text)):
        with pytest.raises(ConfigError, match="not valid YAML") as caught:
            read()
        assert SECRET not in str(caught.value)


def test_a_path_that_is_given_is_one_file_whatever_its_name(tmp_path: Path) -> None:
    assert Source(write(tmp_path / "a:b", config())).read().current_context == "x"
    with pytest.raises(ConfigError, match="Is a directory"):
        Source(tmp_path).read()


def test_a_file_without_end_and_one_that_repeats_itself_are_bounded(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it is larger than 16,777,216 bytes"):
        Source("/dev/zero").read()
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (tmp_path / "bomb").write_text("\n".join(lines))
    with pytest.raises(ConfigError, match="more than 1,000,000 values"):
        Source(tmp_path / "bomb").read()


def test_json_with_tabs_is_fine(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(json.dumps(config(), indent="\t"))
    assert Source(tmp_path / "config").read().current_context == "x"


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=(json.dumps(config()),))
    writer.start()
    source = Source(path)
    assert source.read() == source.read()
    writer.join()


async def test_a_kubeconfig_that_is_named_and_not_there_is_not_replaced_by_the_pod_s(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=r"no kubeconfig at .*nowhere"):
        await open_kubeconfig(None)


async def test_a_pod_has_no_contexts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for what in ("context", "cluster", "user"):
        with pytest.raises(ConfigError, match=f"there is no kubeconfig, and so no {what} 'prod'"):
            await open_kubeconfig(None, Overrides(**{what: "prod"}))  # type: ignore[arg-type]


def test_what_the_caller_says_takes_the_place_of_the_kubeconfig() -> None:
    given = config(None, **{"tls-server-name": "kubernetes.default", "certificate-authority": "ca.crt"})
    given["users"].append({"name": "other", "user": {"token": "o"}})
    given["clusters"].append({"name": "other", "cluster": {"server": "https://other/"}})
    assert chosen(given, user="other").user.token == "o"  # noqa: S105
    assert chosen(given, cluster="other").cluster.server == "https://other"
    moved = chosen(given, server="https://10.0.0.9:6443").cluster
    # The certificate is checked against the new address; who signs it stays.
    assert (moved.server, moved.tls_server_name) == ("https://10.0.0.9:6443", "")
    assert moved.certificate_authority.endswith("/ca.crt")
    assert chosen({}, server=SERVER, token="t").user.token == "t"  # noqa: S105


def test_a_token_that_is_said_is_the_only_credential() -> None:
    theirs = {"as": "jane", "client-certificate": "c", "client-key": "k", "username": "u", "password": "p"}
    for user in (theirs, {"as": "jane", "exec": {"command": "x", "apiVersion": "v"}}, {"as": "jane", "tokenFile": "f"}):
        found = chosen(config(user), token="mine")
        assert (found.user.token, found.acting.user) == ("mine", "jane")
        assert found.user.exec is None
        assert not any((found.user.token_file, found.user.client_certificate, found.user.username))


@pytest.mark.parametrize(
    ("user", "words"),
    [
        (
            {"auth-provider": {"name": "azure"}},
            "auth-provider 'azure' is not supported: `kubelogin convert",
        ),
        ({"auth-provider": {"name": "gcp", "config": {}}}, "auth-provider 'gcp' is not supported"),
        ({"auth-provider": {"name": "openstack"}}, "auth-provider 'openstack' is not supported: use an exec plugin"),
        ({"auth-provider": {}}, "auth-provider '' is not supported"),
        ({"auth-provider": {"name": "oidc"}, "exec": {"command": "x", "apiVersion": "y"}}, "both an exec plugin and"),
        ({"token": SECRET, "username": "u", "password": SECRET}, "both a token and a user name"),
        ({"client-certificate": "c"}, "a client certificate without its key"),
        ({"token": 12345}, "Expected `str`, got `int` - at `$.token`"),
        ({"exec": {"apiVersion": "y"}}, "missing required field `command` - at `$.exec`"),
        ({"exec": {"command": "x", "apiVersion": "y", "args": [1]}}, "Expected `str`, got `int`"),
        ({"as-groups": ["system:masters"]}, "no user to act as"),
        ({"as": "a\nb"}, "the value of Impersonate-User has a line break"),
        ({"as": "a", "as-user-extra": {"k": ["\x00"]}}, "the value of Impersonate-Extra-k has a line break"),
        ({"as": "a", "as-groups": "devs"}, "Expected `array`, got `str`"),
    ],
)
def test_what_a_user_asks_for_and_we_cannot_do_is_refused(user: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        chosen(config(user))
    assert words in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("cluster", "words"),
    [
        ({"server": "https://a:99999"}, "its port is not a number from 1 to 65535"),
        ({"server": "https://a:port"}, "its port is not a number from 1 to 65535"),
        ({"server": "https://a:0"}, "port 0"),
        ({"server": "https://[::1"}, "its host name is malformed"),
        ({"server": "https://[zz]:1"}, "its host name is malformed"),
        ({"server": "https://"}, "it has no host name"),
        ({"server": "https://a b"}, "a space in it"),
        ({"server": "https://a\n"}, "a space in it"),
        ({"server": "a.example.com:6443"}, "no server address that begins with https://"),
        ({"server": "ftp://a"}, "no server address that begins with https://"),
        ({"server": f"https://u:{SECRET}@a"}, "the server address holds a user name or password"),
        ({"server": f"https://u:{SECRET}@a:port"}, "its port is not a number"),
        ({"server": ""}, "its cluster has no server address"),
        ({"insecure-skip-tls-verify": True, "certificate-authority": "ca"}, "insecure-skip-tls-verify ignores it"),
        ({"insecure-skip-tls-verify": "no"}, "Expected `bool`, got `str`"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_one_line(cluster: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        chosen(config(**cluster))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_an_address_keeps_its_path_and_loses_the_rest() -> None:
    assert (
        chosen(config(server="https://r.example.com/k8s/c-1/?a=b#c")).cluster.server == "https://r.example.com/k8s/c-1"
    )
    assert chosen(config(server="https://[::1]:6443")).cluster.server == "https://[::1]:6443"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"context": "y"}, "context 'y' does not exist"),
        ({"user": "v"}, "there is no user 'v'"),
        ({"cluster": "d"}, "there is no cluster 'd'"),
        ({"as_groups": ("a",)}, "no user to act as"),
        ({"as_uid": "1"}, "no user to act as"),
        ({"server": "https://a:x"}, "its port is not a number"),
    ],
)
def test_what_is_named_must_be_there(said: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        chosen(config(), **said)


def test_a_user_that_the_context_names_must_be_there() -> None:
    """Kubectl goes on as anonymous."""
    with pytest.raises(ConfigError, match="the current context names user 'u', which is not in the file"):
        chosen(config() | {"users": []})


def test_a_context_without_a_user_is_anonymous() -> None:
    given = config() | {"contexts": [{"name": "x", "context": {"cluster": "c", "user": None}}]}
    assert chosen(given).user.token == ""


@pytest.mark.parametrize("word", ["context", "cluster", "user", "server", "token", "as_user", "as_uid"])
def test_an_empty_word_is_refused_and_not_ignored(word: str) -> None:
    with pytest.raises(UsageError, match=f"{word} is empty"):
        Cluster.from_kubeconfig(**{word: ""})  # type: ignore[arg-type]


def test_groups_are_a_list() -> None:
    with pytest.raises(UsageError, match="as_groups is one string"):
        Cluster.from_kubeconfig(as_user="a", as_groups="devs")
    with pytest.raises(UsageError, match="as_groups has an empty group"):
        Cluster.from_kubeconfig(as_user="a", as_groups=["devs", ""])


@pytest.mark.parametrize("user", [{"token": "a\nb"}, {"token": "a\x7f"}, {"token": "a\udcff"}, {"token": "ends\n"}])
async def test_a_token_that_no_header_can_carry_is_one_line(user: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="the token has a line break or another character") as caught:
        await open_kubeconfig(config(user))
    assert user["token"].strip() not in str(caught.value)


@pytest.mark.parametrize("ending", ["\n", "\r\n", " \n\n", ""])
async def test_a_token_file_may_end_in_line_breaks(embedded: EmbeddedBed, tmp_path: Path, ending: str) -> None:
    given = embedded.server.kubeconfig()
    (tmp_path / "token").write_text(f"admin-token{ending}")
    # The file comes first, for it may be newer than the token.
    given["users"][0]["user"] = {"tokenFile": "token", "token": "old"}
    async with Cluster.from_kubeconfig(write(tmp_path / "kubeconfig", given)) as cluster:
        await plan(cluster)


@pytest.mark.parametrize(("content", "words"), [(b"", "is empty"), (b" \n", "is empty"), (b"\xff\xfe", "is not text")])
async def test_a_bad_token_file_is_one_line(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "token").write_bytes(content)
    path = write(tmp_path / "kubeconfig", config({"tokenFile": "token"}))
    with pytest.raises(ConfigError, match=words):
        await open_kubeconfig(path)


async def test_a_missing_token_file_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "kubeconfig", config({"tokenFile": "../nowhere"}))
    with pytest.raises(ConfigError, match=f"the token file {tmp_path.parent / 'nowhere'}: No such file"):
        await open_kubeconfig(path)


@pytest.mark.parametrize(
    ("user", "cluster", "words"),
    [
        ({"client-certificate-data": "%", "client-key-data": "%"}, {}, "client-certificate-data is not base64"),
        ({"client-certificate-data": "YQ==", "client-key-data": "YQ=="}, {}, "cannot load the certificates of https"),
        ({"client-certificate": "nowhere", "client-key": "n"}, {}, "client-certificate /.*nowhere: No such file"),
        ({}, {"certificate-authority": "nowhere"}, "certificate-authority /.*nowhere: No such file"),
        ({}, {"certificate-authority-data": "YQ=="}, "cannot load the certificates of https"),
    ],
)
async def test_bad_certificates_are_one_line(
    tmp_path: Path, user: dict[str, Any], cluster: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        await open_kubeconfig(write(tmp_path / "kubeconfig", config(user, **cluster)))


async def test_a_kubeconfig_that_changes_its_mind_under_a_run_is_not_followed(
    embedded: EmbeddedBed, tmp_path: Path
) -> None:
    """New credentials are taken, another user to act as is not: the run goes on as it began, or ends."""
    embedded.server.add_user("jane", [Rule(verbs=("*",))])
    given = embedded.server.kubeconfig()
    given["users"][0]["user"] = {"token": "admin-token", "as": "jane"}
    path = write(tmp_path / "kubeconfig", given)
    async with Cluster.from_kubeconfig(path) as cluster:
        await plan(cluster)
        embedded.server.revoke("admin-token")
        given["users"][0]["user"] = {"token": embedded.server.add_user("fresh", [Rule(verbs=("*",))])}
        write(path, given)
        with pytest.raises(ConfigError, match="now names another server, or another user to act as"):
            await plan(cluster)
    assert {seen.user for seen in embedded.server.requests} == {"jane", "?"}


def test_opening_a_kubeconfig_loads_no_client_of_kubernetes(tmp_path: Path) -> None:
    """That took half of what a short command takes, in time and in memory."""
    path = write(tmp_path / "kubeconfig", config())
    code = (
        "import sys, anyio\n"
        "from asyncmigrate._cluster.kubeconfig import open_kubeconfig\n"
        f"async def main(): await (await open_kubeconfig({str(path)!r})).transport.aclose()\n"
        "anyio.run(main)\n"
        "print('kubernetes_asyncio' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
