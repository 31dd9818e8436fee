"""Whatever comes in, from files or from the server: a clear error, never a traceback, never a trim."""

from __future__ import annotations

import contextlib
import itertools
import json
from pathlib import Path
from typing import Any

import anyio
import httpx
import msgspec
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncmigrate import Cluster, Decision, Outcome, Report, Request, Response, RetryPolicy, plan, run
from asyncmigrate._cluster.decode import crds, objects
from asyncmigrate._cluster.error_status import read_status
from asyncmigrate._manifests.parse import parse
from asyncmigrate.errors import BadAnswerError, ConfigError, ManifestError, MigrateError
from tests.bed.scenes import crd
from tests.unit.model import NAME, Model

ONCE = RetryPolicy(max_tries=1)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
DEEP = b'{"kind":"PartialObjectMetadataList","x":' + b"[" * 100_000
WHOLE = [
    b"",
    b"null",
    b"<html><body>Please log in</body></html>",
    b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success"}',
    b'{"kind":"PodList","metadata":{},"items":[]}',
    b"\xff\xfe\x00",
    DEEP,
]


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 -- any JSON
    """Where something stands in a JSON value."""
    found = [path] if path else []
    if isinstance(value, dict):
        return found + [p for k, v in value.items() for p in paths(v, (*path, k))]
    if isinstance(value, list):
        return found + [p for n, v in enumerate(value) for p in paths(v, (*path, n))]
    return found


def said(answer: Any) -> object:  # noqa: ANN401 -- any JSON
    """What a well-formed list says: its objects' names, and whether more follow. None for anything else."""
    try:
        names = [item["metadata"]["name"] for item in answer["items"] or ()]
        more = answer["metadata"].get("continue") or ""
    except (TypeError, KeyError, AttributeError):
        return None
    well_formed = isinstance(more, str) and all(isinstance(name, str) and name for name in names)
    return (names, more) if well_formed else None


class Fault(msgspec.Struct):
    """One way to break an answer or a file; drawn before anything runs, and applied to whatever is there then."""

    how: str
    place: int
    other: Any
    whole: bytes
    code: int

    def applied(self, whole: Any) -> bytes:  # noqa: ANN401 -- any JSON
        """`whole` with something in it missing, of the wrong kind, or cut off."""
        text = json.dumps(whole).encode()
        broken = json.loads(text)
        *way, last = paths(broken)[self.place % len(paths(broken))]
        parent = broken
        for step in way:
            parent = parent[step]
        match self.how:
            case "other":
                return self.whole
            case "missing":
                del parent[last]
            case "replaced":
                parent[last] = self.other
        # A well-formed list of fewer or other objects is nothing a client could tell from the truth.
        if self.how == "truncated" or said(broken) not in (None, said(whole)):
            return text[: self.place % len(text)]
        return json.dumps(broken).encode()


FAULTS = st.builds(
    Fault,
    how=st.sampled_from(["truncated", "missing", "replaced", "other"]),
    place=st.integers(0, 10_000),
    other=ANY_JSON,
    whole=st.sampled_from(WHOLE),
    code=st.sampled_from([200, 200, 200, 418, 500]),
)


class Garbling:
    """A Transport that breaks the answers to one kind of request, with each of `faults` in turn."""

    def __init__(self, model: Model, faults: list[Fault], where: str) -> None:
        self._model = model
        self._faults = itertools.cycle(faults)
        self._where = where

    async def send(self, request: Request, *, within: float | None) -> Response:
        response = await self._model.send(request, within=within)
        if kind_of(request) != self._where:
            return response
        fault = next(self._faults)
        return Response(fault.code, {"content-type": "text/html"}, fault.applied(json.loads(response.body)))

    async def aclose(self) -> None:
        pass


def kind_of(request: Request) -> str:
    if "selfsubjectaccessreviews" in request.target:
        return "review"
    if "customresourcedefinitions" in request.target:
        return "trim" if request.method == "PATCH" else "look up"
    return "rewrite" if request.method == "PATCH" else "list" if "limit=" in request.target else "look at"


async def migrate(transport: Garbling) -> Report | None:
    async with Cluster.from_transport(transport, server="https://model.test") as cluster:
        try:
            made = await plan(cluster, names=[NAME], retry_policy=ONCE)
            return await run(cluster, made, settle=0, retry_policy=ONCE, webhook_policy=ONCE)
        except MigrateError as error:
            problem = str(error)
    assert "\n" not in problem
    return None


@pytest.mark.parametrize("where", ["look up", "review", "list", "rewrite", "trim"])
@given(faults=st.lists(FAULTS, min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_whatever_the_server_answers_is_an_error_and_never_a_wrong_trim(where: str, faults: list[Fault]) -> None:
    model = Model(7, iter(()))
    report = anyio.run(migrate, Garbling(model, faults, where))
    assert not model.wrongly_trimmed
    if report is None:
        return
    [found] = report.crds
    assert "\n" not in found.message
    if found.outcome is Outcome.MIGRATED and where in {"list", "rewrite"}:
        assert {version for version, _ in model.objects.values()} <= {"v2"}
    if found.plan.decision is Decision.STALE and found.outcome is not Outcome.MIGRATED:
        assert found.outcome in {Outcome.INCOMPLETE, Outcome.FAILED, Outcome.SKIPPED}


@pytest.mark.parametrize(
    "read",
    [
        lambda body: objects.page(body, "example.com/v2"),
        objects.object_ref,
        objects.whole_object,
        objects.minor_version,
        lambda body: crds.crd(body, NAME),
        crds.crd_page,
        objects.resource_version,
        objects.allowed,
        objects.namespace_uid,
    ],
)
def test_deep_nesting_is_survived(read: Any) -> None:  # noqa: ANN401 -- any of them
    for body in (DEEP, b'{"x":' * 100_000):
        with pytest.raises(BadAnswerError):
            read(body)
    assert read_status(500, {}, DEEP, now=0).reason == "InternalServerError"


async def endless(request: web.BaseRequest) -> web.StreamResponse:
    """A body that does not end by itself."""
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(b" " * 1_000_000)
    return response


@pytest.mark.parametrize("through", ["kubeconfig", "httpx"])
async def test_an_answer_without_end_is_cut_short(tmp_path: Path, through: str) -> None:
    runner = web.ServerRunner(web.Server(endless, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    path = tmp_path / "kubeconfig"
    clusters = [{"name": "c", "cluster": {"server": url}}]
    path.write_text(json.dumps(KUBECONFIG | {"clusters": clusters, "users": [{"name": "u", "user": {"token": "t"}}]}))
    try:
        async with httpx.AsyncClient(base_url=url) as client:
            made = Cluster.from_httpx(client) if through == "httpx" else Cluster.from_kubeconfig(path)
            async with made as cluster:
                with pytest.raises(BadAnswerError, match="larger than"):
                    await plan(cluster, retry_policy=ONCE)
    finally:
        await runner.cleanup()


def found_in(text: bytes) -> list[str]:
    return [c.name for c in parse(text, "fuzz.yaml").crds]


MANIFEST = crd("example.com", "v1", "v1", "v2")


@given(
    text=FAULTS.map(lambda fault: fault.applied(MANIFEST))
    | st.binary(max_size=60)
    | st.text(max_size=60).map(str.encode)
)
@settings(max_examples=300, deadline=None)
def test_whatever_a_manifest_holds_is_a_crd_or_one_clear_line(text: bytes) -> None:
    problem = "fuzz.yaml"
    try:
        found_in(text)
    except ManifestError as error:
        problem = str(error)
    assert problem.startswith("fuzz.yaml")
    assert "\n" not in problem


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)
)
CRD_TEXT = json.dumps(MANIFEST)
NESTED = [
    "[" * 100_000,
    '{"a":' * 100_000,
    "a: &x 1\nb: *x\nc: " + "[" * 100_000,
    "a: &x\n  b: *x\n",
    "apiVersion: v1\nkind: List\nitems: &x\n- apiVersion: v1\n  kind: List\n  items: *x\n",
    LAUGHS,
    "a: !!python/object/apply:os.system [exit]\n",
]


@pytest.mark.parametrize("text", NESTED, ids=lambda text: text[:20])
def test_nesting_and_aliases_do_not_blow_up(text: str) -> None:
    with pytest.raises(ManifestError):
        found_in(text.encode())


def test_aliases_mean_what_they_stand_for() -> None:
    text = CRD_TEXT.replace('"scope": "Namespaced"', '"scope": &s Cluster, "x": *s').replace('"schema"', "schema")
    [found] = parse(text.encode(), "aliases.yaml").crds
    assert (found.scope, found.name) == ("Cluster", MANIFEST["metadata"]["name"])


KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "c",
    "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1", "proxy-url": "http://127.0.0.1:1"}}],
    "users": [{"name": "u", "user": {"token": "t0ken-not-to-be-shown", "client-certificate-data": "eA=="}}],
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
}


async def opened(path: Path) -> None:
    async with Cluster.from_kubeconfig(path):
        pass


@given(text=FAULTS.map(lambda fault: fault.applied(KUBECONFIG)) | st.binary(max_size=40))
@settings(max_examples=150, deadline=None)
def test_whatever_a_kubeconfig_holds_opens_or_is_one_clear_line(
    text: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "kubeconfig-fuzz"
    path.write_bytes(text)
    problem = ""
    try:
        anyio.run(opened, path)
    except ConfigError as error:
        problem = str(error)
    assert "\n" not in problem
    assert "t0ken-not-to-be-shown" not in problem


def test_the_model_is_what_is_fuzzed() -> None:
    """Without a fault the same run migrates: the tests above fail for what is broken, not for their scene."""

    model = Model(7, iter(()))
    report = anyio.run(migrate, Garbling(model, [], ""))
    assert report is not None
    assert report.crds[0].outcome is Outcome.MIGRATED
    assert msgspec.json.encode(model.stored_versions) == b'["v2"]'
