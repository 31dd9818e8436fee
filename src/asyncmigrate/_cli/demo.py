"""`asyncmigrate demo`: an upgrade of some hundred CRDs on the embedded server, with the trouble that upgrades have."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import click
import msgspec

from asyncmigrate._cli.commands import Job, run_and_print
from asyncmigrate._cli.exits import Exit
from asyncmigrate._cli.guard import guarded, loaded
from asyncmigrate._cli.output_options import OutputOptions
from asyncmigrate._cli.show import Show
from asyncmigrate._cluster.cluster import Cluster
from asyncmigrate._engine.planner import plan
from asyncmigrate._output import words
from asyncmigrate._results.plan import Decision, Plan
from asyncmigrate._rules.decisions.phrases import count
from asyncmigrate.testing import ApiServer

GROUP = "demo.example.com"
NEW = 344
STALE = ("buckets", "clusters", "databases", "gateways", "keys", "networks", "policies", "queues", "roles", "tables")
CURRENT = ("certificates", "domains", "functions", "streams")
SLOW = "zones"
DENIED = "policies"

# What clusterctl 1.8.4 waited for each CRD that was merely new (cluster-api#11978), measured on a few.
UNFIXED_SECONDS = 12.9
_ROUND_TRIP = 0.03
_SLOW_SECONDS = 0.75


def demo_command() -> Exit:
    """Set the scene, plan, run, and set the time against what it used to take."""
    show = Show(OutputOptions())
    return guarded(lambda: _demo(show), show, advice="nothing is left of the demo's server")


async def _demo(show: Show) -> Exit:
    async with ApiServer() as server:
        with tempfile.TemporaryDirectory(prefix="asyncmigrate-demo-") as name:
            folder = Path(name)
            show.note("An upgrade on an embedded API server; no cluster of yours is touched.")
            set_scene(server)
            write_manifests(folder / "crds")
            kubeconfig = server.write_kubeconfig(folder / "kubeconfig")
            async with Cluster.from_kubeconfig(kubeconfig) as cluster:
                loaded()
                with show.display(cluster) as display:
                    made = await plan(cluster, manifests=[folder / "crds"], observers=[display])
                show.plan_to_confirm(made)
                await run_and_print(cluster, made, show, Job())
            click.echo(lesson(made))
    return Exit.OK


def lesson(made: Plan) -> str:
    """The line that sets the time against waiting out each NotFound."""
    new = len(made.by_decision(Decision.NEW))
    waited = words.duration(new * UNFIXED_SECONDS)
    return (
        f"{count(new, 'new CRD')} answered NotFound at once: the whole plan took {words.duration(made.seconds)}. "
        f"Waiting out a retry back-off for each ({UNFIXED_SECONDS} s) would have cost {waited}."
    )


def crd(plural: str, storage: str, *versions: str) -> dict[str, Any]:
    """A CRD of the demo's group; every version is served, and `storage` is the one that objects are stored in."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {"plural": plural, "kind": plural.capitalize().removesuffix("s")},
            "scope": "Namespaced",
            "versions": [{"name": v, "served": True, "storage": v == storage, "schema": schema} for v in versions],
        },
    }


def set_scene(server: ApiServer) -> None:
    """The cluster as the operator's last release left it, and what is wrong with it."""
    draw = random.Random(11978)  # noqa: S311 -- the same scene each time
    for plural in (*STALE, SLOW):
        server.apply_crd(crd(plural, "v1alpha1", "v1alpha1", "v1beta1"))
        for number in range(40 if plural == SLOW else draw.randrange(200, 700)):
            _add(server, plural, "v1alpha1", number)
        server.apply_crd(crd(plural, "v1beta1", "v1alpha1", "v1beta1"))
    for plural in CURRENT:
        server.apply_crd(crd(plural, "v1beta1", "v1beta1"))
        _add(server, plural, "v1beta1", 0)
    server.advance(3600)  # the release was rolled out a while ago
    server.faults.delay(_ROUND_TRIP, verb="patch")
    server.faults.delay(_SLOW_SECONDS, verb="patch", resource=f"{SLOW}.{GROUP}")
    server.faults.deny(
        resource=f"{DENIED}.{GROUP}", name=f"{DENIED}-17", message="spec.owner must name an existing team"
    )


def _add(server: ApiServer, plural: str, version: str, number: int) -> None:
    server.create(
        {
            "apiVersion": f"{GROUP}/{version}",
            "kind": plural.capitalize().removesuffix("s"),
            "metadata": {"name": f"{plural}-{number}"},
            "spec": {"size": number, "region": "eu-north-1"},
        }
    )


def write_manifests(folder: Path) -> None:
    """The next release's manifests: v1 comes, and with it hundreds of CRDs that the cluster has never seen."""
    folder.mkdir()
    for plural in (*STALE, SLOW, *CURRENT):
        _write(folder, crd(plural, "v1", "v1alpha1", "v1beta1", "v1"))
    for number in range(NEW):
        _write(folder, crd(f"resource{number:03d}s", "v1", "v1"))


def _write(folder: Path, manifest: dict[str, Any]) -> None:
    # JSON is YAML.
    (folder / f"{manifest['metadata']['name']}.yaml").write_bytes(msgspec.json.encode(manifest))
