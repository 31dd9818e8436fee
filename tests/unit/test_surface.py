"""The public surface: names, docstrings, the price of importing, and README's examples."""

from __future__ import annotations

import inspect
import json
import pickle
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import anyio
import pytest

import asyncmigrate
from asyncmigrate import (
    CRD,
    Cluster,
    CRDPlan,
    CRDReport,
    Decision,
    Failure,
    Objects,
    Outcome,
    Plan,
    Report,
    RetryPolicy,
    Status,
    errors,
    events,
    plan,
    run,
    sync,
    testing,
)
from asyncmigrate._output.report_json import report_json
from asyncmigrate.events import Event
from tests.bed.bed import EmbeddedBed
from tests.bed.scenes import crd, obj
from tests.command.runner import command, environment

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize("module", [asyncmigrate, errors, events, sync, testing])
def test_all_is_sorted_there_and_documented(module: object) -> None:
    names: list[str] = module.__all__  # type: ignore[attr-defined]
    assert names == sorted(names, key=lambda n: (not n.isupper(), n[0].islower(), n))
    for name in names:
        thing = getattr(module, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert thing.__doc__, name


def test_importing_loads_neither_kubernetes_nor_aiohttp_nor_rich() -> None:
    code = (
        "import sys, asyncmigrate; print(*(m for m in ('kubernetes_asyncio', 'aiohttp', 'httpx', 'rich', 'structlog')"
    )
    done = subprocess.run([sys.executable, "-c", f"{code} if m in sys.modules))"], capture_output=True, check=True)
    assert done.stdout.split() == []


def test_what_public_signatures_mention_is_public() -> None:
    names = {"DEFAULT_POLICY", "ErrorFilter", "ObjectRef", "Status", "WEBHOOK_POLICY", "__version__"}
    assert names <= set(asyncmigrate.__all__)
    scope: dict[str, object] = {}
    exec("from asyncmigrate import *", scope)  # noqa: S102 -- every name is there
    assert names <= scope.keys()
    assert asyncmigrate.__version__ == metadata.version("asyncmigrate")
    assert inspect.signature(asyncmigrate.retry).parameters["policy"].default is asyncmigrate.DEFAULT_POLICY
    with pytest.raises(AttributeError, match="no attribute 'verison'"):
        _ = asyncmigrate.verison  # type: ignore[attr-defined]


def test_results_can_be_pickled() -> None:
    live = CRD(name="a.b", group="b", plural="a", kind="A")
    planned = CRDPlan(name="a.b", decision=Decision.STALE, reason="", message="", live=live)
    whole = Plan(context="", server="", seconds=0, crds=(planned,), requests=0, retries=0)
    for thing in (whole, RetryPolicy(), Status(code=1, reason="", message=""), events.PlanFinished(whole)):
        assert pickle.loads(pickle.dumps(thing)) == thing  # noqa: S301 -- our own


def test_events_and_results_are_frozen() -> None:
    for name in events.__all__:
        kind = getattr(events, name)
        if inspect.isclass(kind) and issubclass(kind, Event):
            assert kind.__struct_config__.frozen, name


async def test_the_library_example_in_readme_runs(
    embedded: EmbeddedBed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = crd("example.com", "v1alpha1", "v1alpha1", "v1beta1")
    embedded.server.apply_crd(before)
    embedded.server.create(obj(before, "v1alpha1", "w"))
    embedded.server.apply_crd(crd("example.com", "v1beta1", "v1alpha1", "v1beta1"))
    (tmp_path / "crds").mkdir()
    (tmp_path / "crds" / "next.json").write_text(json.dumps(crd("example.com", "v1", "v1beta1", "v1")))
    monkeypatch.setenv("KUBECONFIG", str(embedded.kubeconfig()))
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        scope: dict[str, object] = {"widgets": lambda: None}
        exec(compile(block, "README.md", "exec"), scope)  # noqa: S102 -- it is what is tested
        main = scope.get("main") or scope.get("test_my_operator")
        assert callable(main)
        await (main(tmp_path) if "tmp_path" in inspect.signature(main).parameters else main())
    assert "widgets.example.com migrated" in capsys.readouterr().out


async def test_readmes_test_passes_in_an_empty_project(tmp_path: Path) -> None:
    [sample] = [b for b in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL) if "test_my_operator" in b]
    (tmp_path / "test_sample.py").write_text(sample)
    args = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    done = await anyio.run_process(args, cwd=tmp_path, check=False)
    assert b"1 passed" in done.stdout, done.stdout.decode()


async def test_the_commands_in_readme_run_in_their_order(embedded: EmbeddedBed, tmp_path: Path) -> None:
    before = crd("example.com", "v1alpha1", "v1alpha1", "v1beta1")
    embedded.server.apply_crd(before)
    embedded.server.create(obj(before, "v1alpha1", "w"))
    embedded.server.apply_crd(crd("example.com", "v1beta1", "v1alpha1", "v1beta1"))
    embedded.server.advance(3600)  # so that nothing has to be waited for
    (tmp_path / "release" / "crds").mkdir(parents=True)
    (tmp_path / "release" / "crds" / "next.json").write_text(json.dumps(crd("example.com", "v1", "v1beta1", "v1")))
    (tmp_path / "gitops" / "apps").mkdir(parents=True)
    (tmp_path / "gitops" / "apps" / "w.json").write_text(json.dumps(obj(before, "v1beta1", "w")))
    env = environment(tmp_path, KUBECONFIG=str(embedded.kubeconfig()))
    blocks = re.findall(r"```console\n(.*?)```", README.read_text(), re.DOTALL)
    lines = [line.split(" #")[0] for line in "".join(blocks).splitlines() if line.startswith("asyncmigrate ")]
    assert len(lines) >= 7
    for line in lines:
        words = line.split()[1:]
        if words[0] == "run" and not {"-y", "--dry-run=server"} & set(words):
            words.append("-y")  # a reader is asked; a test has no terminal
        done = await anyio.run_process(command(*words), env=env, cwd=tmp_path, check=False)
        assert done.returncode == 0, (line, done.stderr)
    assert embedded.stored_api_versions("widgets.example.com") == {"v1beta1"}


def test_the_json_in_readme_has_the_fields_that_are_printed() -> None:
    [block] = [b for b in re.findall(r"```json\n(.*?)```", README.read_text(), re.DOTALL) if '"Report"' in b]
    shown = json.loads(block)
    objects = Objects(**shown["crds"][0]["objects"])
    failed = Failure(namespace="", name="", code=0, reason="", message="", attempts=1)
    live = CRD(name="a.b", group="b", plural="a", kind="A")
    planned = CRDPlan(name="a.b", decision=Decision.STALE, reason="", message="", live=live)
    found = CRDReport(plan=planned, outcome=Outcome.FAILED, reason="", message="", objects=objects, failures=(failed,))
    report = Report(context="", server="", seconds=0, crds=(found,), requests=0, retries=0)
    printed = json.loads(report_json(report))
    assert list(shown) == list(printed)
    assert list(shown["crds"][0]) == list(printed["crds"][0])
    assert list(shown["crds"][0]["spec"]) == list(printed["crds"][0]["spec"])
    assert list(shown["crds"][0]["objects"]) == list(printed["crds"][0]["objects"])
    assert list(shown["crds"][0]["failures"][0]) == list(printed["crds"][0]["failures"][0])


def engine_tasks() -> list[str]:
    return [t.name or "" for t in anyio.get_running_tasks() if "asyncmigrate._engine" in (t.name or "")]


async def test_cancelling_a_run_ends_its_tasks_and_reports_what_was_done(embedded: EmbeddedBed) -> None:
    before = crd(embedded.group, "v1", "v1", "v2")
    embedded.server.apply_crd(before)
    for number in range(20):
        embedded.server.create(obj(before, "v1", f"w-{number}"))
    embedded.server.apply_crd(crd(embedded.group, "v2", "v1", "v2"))
    embedded.server.faults.delay(60, verb="patch", name="w-3")
    seen: list[Event] = []
    nearly_done = anyio.Event()

    def watch(event: Event) -> None:
        seen.append(event)
        if sum(isinstance(e, events.ObjectSettled) for e in seen) == 19:
            nearly_done.set()

    async with Cluster.from_kubeconfig(embedded.kubeconfig()) as cluster:
        made = await plan(cluster)
        async with anyio.create_task_group() as tasks:

            async def go() -> None:
                await run(cluster, made, settle=0, observers=[watch])

            tasks.start_soon(go)
            await nearly_done.wait()
            assert len(engine_tasks()) > 30
            tasks.cancel_scope.cancel()
        assert engine_tasks() == []
    last = seen[-1]
    assert isinstance(last, events.RunFinished)
    assert last.report.interrupted
    assert last.report.objects.rewritten == 19
