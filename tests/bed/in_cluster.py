"""Sets of manifests for runs inside a cluster: each kind that there is."""

from __future__ import annotations

from asyncmigrate._output.in_cluster import ConfigMapName, Hook, InCluster

STATE = ConfigMapName("up", "kept")
VARIANTS: dict[str, InCluster] = {
    "a job": InCluster(crds=("w.x",)),
    "all crds": InCluster(),
    "with a state": InCluster(crds=("w.x", "v.x"), namespace="up", state=STATE),
    "with a state elsewhere": InCluster(crds=("w.x",), namespace="up", state=ConfigMapName("other", "kept.here")),
    "with events": InCluster(crds=("w.x",), events=True),
    "shards": InCluster(crds=("w.x",), namespace="up", state=STATE, shards=4),
    "a cron job": InCluster(crds=("w.x",), schedule="@daily"),
    "a cron job of shards": InCluster(crds=("w.x",), schedule="@daily", state=STATE, shards=2),
    "a flow schema": InCluster(crds=("w.x",), flow_schema=True),
    **{hook.value: InCluster(crds=("w.x",), hook=hook, may_be_new=True, state=STATE, events=True) for hook in Hook},
    "words that YAML takes for something else": InCluster(
        crds=("1e5.no",), name="1e5", image="0o17", schedule="@daily"
    ),
    "and for yes": InCluster(crds=("y.y",), name="y", image="on", state=ConfigMapName("up", "null")),
    "all at once": InCluster(
        crds=("w.x",), name="a" * 52, namespace="n" * 63, hook=Hook.ARGOCD, shards=1000, state=STATE, flow_schema=True
    ),
}
