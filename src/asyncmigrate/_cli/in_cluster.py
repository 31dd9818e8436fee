"""`asyncmigrate manifests` and `asyncmigrate rbac`: print what a run inside a cluster needs; no cluster is asked."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import click

from asyncmigrate._cli.exits import Exit
from asyncmigrate._cli.guard import guarded
from asyncmigrate._cli.in_cluster_options import ManifestOptions
from asyncmigrate._cli.output_options import OutputOptions
from asyncmigrate._cli.show import Show
from asyncmigrate._engine.tasks import in_thread
from asyncmigrate._manifests.given import Place
from asyncmigrate._manifests.reader import Reader
from asyncmigrate._output.in_cluster import ConfigMapName, Hook, InCluster, state_of
from asyncmigrate._output.manifest_set import as_documents, manifest_set
from asyncmigrate._output.role_yaml import roles
from asyncmigrate.errors import UsageError

_PACKAGE = "asyncmigrate"
_BROAD = (
    "warning: no CRD is named, so this role may get, list and patch every object of the cluster, Secrets too: "
    "name the CRDs, or give their manifests with -f"
)
# Every user may ask for these: by the ClusterRoles system:basic-user and system:discovery, unless they were changed.
_GRANTED = "# Beside these rights it needs those that every user has: selfsubjectaccessreviews, and GET /version."


def manifests_command(given: ManifestOptions) -> Exit:
    """`asyncmigrate manifests`."""
    return _printed(given, lambda wanted: as_documents(manifest_set(wanted)))


def rbac_command(given: ManifestOptions) -> Exit:
    """`asyncmigrate rbac`."""
    return _printed(given, lambda wanted: as_documents(roles(wanted)))


def _printed(given: ManifestOptions, text: Callable[[InCluster], str]) -> Exit:
    show = Show(OutputOptions())

    async def body() -> Exit:
        wanted = _wanted(given, await in_thread(lambda: _crds(given)))
        if not wanted.crds:
            show.warning(_BROAD)
        click.echo(f"# {_PACKAGE} {version(_PACKAGE)}\n{_GRANTED}\n{text(wanted)}")
        return Exit.OK

    return guarded(body, show, advice="nothing was printed")


def _crds(given: ManifestOptions) -> tuple[str, ...]:
    """The CRDs that are named, or in manifests; with both, those named, which the manifests must have."""
    if not given.files:
        return tuple(sorted(set(given.names)))
    reader = Reader([Place(f) for f in given.files], recursive=given.recursive)
    found = set[str]()
    while batch := reader.next_batch():
        found.update(f.crd.name for f in batch)
    reader.check_any()
    if missing := sorted(set(given.names) - found):
        raise UsageError(f"no manifest given has CRD {missing[0]}")
    return tuple(sorted(set(given.names) or found))


def _wanted(given: ManifestOptions, crds: tuple[str, ...]) -> InCluster:
    return InCluster(
        crds=crds,
        # Without a release to come, a name that the cluster does not have is misspelt.
        may_be_new=bool(given.files) or given.hook is not None,
        namespace=given.namespace,
        name=given.name,
        image=given.image or f"{_PACKAGE}:{version(_PACKAGE)}",
        state=_state(given),
        events=given.events,
        shards=given.shards,
        schedule=given.schedule,
        hook=None if given.hook is None else Hook(given.hook),
        flow_schema=given.flow_schema,
    )


def _state(given: ManifestOptions) -> ConfigMapName | None:
    if not given.keeps_state:
        return None
    return ConfigMapName(given.namespace, f"{given.name}-state") if given.state is None else state_of(given.state)
