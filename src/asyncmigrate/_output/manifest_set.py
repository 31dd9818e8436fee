"""All that a run inside a cluster needs, in the order to apply it: as manifests, and as the YAML that kubectl takes."""

from __future__ import annotations

from collections.abc import Iterable

from asyncmigrate._output.clean import as_json
from asyncmigrate._output.documents import as_yaml
from asyncmigrate._output.hooks import hooked
from asyncmigrate._output.in_cluster import Hook, InCluster
from asyncmigrate._output.job_yaml import cron_job, job
from asyncmigrate._output.role_yaml import LABELS, Manifest, bindings, roles, service_account

# Before those that every cluster has: `kube-system-service-accounts` (900) would put kube-system's accounts into
# workload-high, and `service-accounts` (9000) is the one that all others fall under.
_PRECEDENCE = 800
_LEVEL = "workload-low"
_BOTH = (Hook.ARGOCD_PRE, Hook.ARGOCD_POST)


def manifest_set(wanted: InCluster) -> list[Manifest]:
    """What `asyncmigrate manifests` prints."""
    needs = [service_account(wanted), *roles(wanted), *bindings(wanted)]
    if wanted.flow_schema:
        needs.append(_flow_schema(wanted))
    if wanted.hook is None:
        return [*needs, job(wanted) if wanted.schedule is None else cron_job(wanted)]
    if wanted.hook is Hook.ARGOCD:
        jobs = [hooked(job(wanted, f"-{hook.rpartition('-')[2]}"), hook, first=False) for hook in _BOTH]
        return [*(hooked(need, Hook.ARGOCD_PRE, first=True) for need in needs), *jobs]
    return [*(hooked(need, wanted.hook, first=True) for need in needs), hooked(job(wanted), wanted.hook, first=False)]


def as_documents(manifests: Iterable[Manifest]) -> str:
    """Several documents of YAML."""
    return "\n".join(f"---\n{as_yaml(as_json(manifest))}" for manifest in manifests)


def _flow_schema(wanted: InCluster) -> Manifest:
    account = {"name": wanted.name, "namespace": wanted.namespace}
    every = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}
    return {
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "kind": "FlowSchema",
        "metadata": {"name": wanted.everywhere, "labels": LABELS},
        "spec": {
            "priorityLevelConfiguration": {"name": _LEVEL},
            "matchingPrecedence": _PRECEDENCE,
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [
                {
                    "subjects": [{"kind": "ServiceAccount", "serviceAccount": account}],
                    "resourceRules": [every],
                    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
                }
            ],
        },
    }
