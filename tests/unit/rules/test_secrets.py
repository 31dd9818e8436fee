"""What messages and reprs say of URLs with a password, and of structs that hold a secret."""

from __future__ import annotations

import dataclasses
import importlib
import io
import pkgutil
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from rich.console import Console
from rich.pretty import Pretty

import asyncmigrate
from asyncmigrate._cli.options import Connection
from asyncmigrate._cluster.aiohttp_transport import Access
from asyncmigrate._cluster.credentials import Credentials
from asyncmigrate._cluster.exec_plugin import EnvVar, ExecConfig
from asyncmigrate._cluster.identity import Impersonation, Overrides
from asyncmigrate._cluster.kubeconfig_choice import Choice, ClusterInfo, UserInfo
from asyncmigrate._cluster.kubeconfig_files import Entry, Kubeconfig
from asyncmigrate._cluster.oidc import OIDC
from asyncmigrate._manifests.given import Place
from asyncmigrate._rules.decisions.proxies import Proxy
from asyncmigrate._rules.errors.secrets import Discreet, shown_source, without_credentials

MARK = "hunter2"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("http://user:hunter2@host/x", "http://host/x"),
        ("http://user:hun/ter2@host/x", "http://host/x"),
        ("http://user:hun#ter2@host/x", "http://host/x"),
        ("http://user:hun?ter2@host/x", "http://host/x"),
        ("http://user:hun@ter2@host/x", "http://host/x"),
        ("http://user:12/hunter2@host/x", "http://host/x"),
        ("http://user:hun ter2\n@host/x", "http://host/x"),
        ("http://hunter2@host", "http://host"),
        ("ftp://user:hunter2@host/x", "ftp://host/x"),
        ("git+ssh://user:hunter2@host/x", "git+ssh://host/x"),
        ("HTTPS://user:hunter2@host/x", "HTTPS://host/x"),
        (" \thttp://user:hunter2@host/x", " \thttp://host/x"),
        ("http:/user:hunter2@host/x", "http:/host/x"),
        ("http://host/x?token=hunter2", "http://host/x?…"),
        ("http://host/x#hunter2", "http://host/x#…"),
        ("http://user:hun/ter2@host/x?a=hunter2@b", "http://b"),
        ("https://cdn.example.com/widgets@1.2/crd.yaml", "https://cdn.example.com/widgets@1.2/crd.yaml"),
        ("https://cdn.example.com/x?mail=a@b", "https://cdn.example.com/x?…"),
        ("crds/what?.yaml", "crds/what?.yaml"),
        ("a@b:c.yaml", "a@b:c.yaml"),
        ("-", "-"),
    ],
)
def test_a_source_is_shown_without_what_may_be_secret(name: str, expected: str) -> None:
    assert shown_source(name) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no http://user:hunter2@a/x and ftp://b:hun@ter2@c", "no http://a/x and ftp://c"),
        ('{"proxy-url":"http://user:hunter2@proxy:1","a":"b@c"}', '{"proxy-url":"http://proxy:1","a":"b@c"}'),
        (r"http:\/\/user:hunter2@proxy", r"http:\/\/proxy"),
        ("https://a.example.com/x,http://user:hunter2@b", "https://b"),
        (
            'Post "https://hook.ns.svc:443/convert?timeout=30s": a@b',
            'Post "https://hook.ns.svc:443/convert?timeout=30s": a@b',
        ),
        ("https://cdn.example.com/x@1 is not there", "https://cdn.example.com/x@1 is not there"),
    ],
)
def test_a_text_is_shown_without_the_credentials_of_its_urls(text: str, expected: str) -> None:
    assert without_credentials(text) == expected


USER = UserInfo(
    token=MARK,
    token_file="file",
    client_certificate_data=MARK,
    client_key_data=MARK,
    username=MARK,
    password=MARK,
    auth_provider={"name": "oidc", "config": {"id-token": MARK}},
    exec=ExecConfig(command="plugin", api_version="v1", args=(f"--secret={MARK}",), env=(EnvVar("NAME", MARK),)),
)
CLUSTER = ClusterInfo(
    server=f"https://user:{MARK}@host", proxy_url=f"http://user:{MARK}@proxy", extensions=({"extension": MARK},)
)
ENTRY = Entry({"token": MARK}, "folder")
NOTHING: dict[str, Any] = dict.fromkeys(Connection.__struct_fields__)
# Each holds a secret wherever it can.
HOLDERS: list[Any] = [
    Overrides(token=MARK),
    USER,
    USER.exec,
    EnvVar("NAME", MARK),
    CLUSTER,
    ENTRY,
    Choice("context", CLUSTER, USER, Impersonation()),
    Kubeconfig("where", users={"u": ENTRY}, clusters={"c": ENTRY}),
    OIDC(idp_issuer_url=f"https://user:{MARK}@idp", client_secret=MARK, id_token=MARK, refresh_token=MARK),
    Place(f"http://user:hun/{MARK}@host"),
    Connection(**NOTHING | {"token": MARK, "server": f"https://user:{MARK}@host", "as_groups": ()}),
    Credentials(MARK, MARK.encode(), MARK.encode()),
    Access(
        "https://host",
        authorization=MARK,
        certificate=MARK.encode(),
        headers=(("Authorization", MARK),),
        proxy=MARK,
        proxy_headers={"Proxy-Authorization": MARK},
    ),
    Proxy("http", "host", 1, MARK, MARK),
]


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda h: type(h).__name__)
def test_no_repr_shows_a_secret(holder: object) -> None:
    pretty = io.StringIO()
    Console(file=pretty).print(Pretty(holder))
    for shown in (repr(holder), f"{[holder]}", pretty.getvalue()):
        assert type(holder).__name__ in shown
        assert MARK not in shown


# Names of fields that hold a secret.
SECRET_FIELDS = {
    *("token", "password", "authorization", "key", "id_token", "refresh_token", "client_secret"),
    *("client_key_data", "proxy", "proxy_url", "proxy_headers", "auth_provider", "env"),
}
NO_SECRETS = {"Requirement.key", "_Open.key"}  # of a label, of a map


def classes() -> Iterator[type]:
    """The structs and dataclasses of the library."""
    for module in pkgutil.walk_packages(asyncmigrate.__path__, "asyncmigrate."):
        if "__main__" not in module.name and ".testing" not in module.name:
            for found in vars(importlib.import_module(module.name)).values():
                if isinstance(found, type) and found.__module__ == module.name:
                    yield found


def shown_fields(kind: type) -> set[str]:
    if dataclasses.is_dataclass(kind):
        return {field.name for field in dataclasses.fields(kind) if field.repr}
    if issubclass(kind, Discreet):
        return set(kind.__struct_fields__) - kind._hidden  # noqa: SLF001 -- what this test is about
    return set(kind.__struct_fields__) if issubclass(kind, msgspec.Struct) else set()


def test_no_class_shows_a_field_that_is_named_as_a_secret() -> None:
    showing = {f"{kind.__name__}.{name}" for kind in classes() for name in shown_fields(kind) & SECRET_FIELDS}
    assert showing - NO_SECRETS == set()
