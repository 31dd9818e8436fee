"""A run inside a cluster as a Job or a CronJob: its pod, and what the cluster does when it ends."""

from __future__ import annotations

from asyncmigrate._output.in_cluster import InCluster
from asyncmigrate._output.role_yaml import LABELS, Manifest

CONTAINER = "asyncmigrate"
# The exit codes that another try cannot change: wrong usage, and blocked. README has all of them.
FINAL_CODES = [2, 3]

_USER = 65532  # nobody's in any image, and not root
_RETRIES = 6  # of a pod: with Kubernetes' back-off, which doubles from 10 s up to 6 min
_GRACE_SECONDS = 30  # a run stops within a second; the rest is for saving its state on a slow server
_KEEP_SECONDS = 24 * 60 * 60  # for whoever looks at it the morning after


def job(wanted: InCluster, suffix: str = "") -> Manifest:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(wanted, suffix),
        "spec": {**_job_spec(wanted), "ttlSecondsAfterFinished": _KEEP_SECONDS},
    }


def cron_job(wanted: InCluster) -> Manifest:
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": _metadata(wanted),
        "spec": {
            "schedule": wanted.schedule,
            "concurrencyPolicy": "Forbid",
            # How long Jobs are kept is said in numbers here: of a weekly one nothing would be left after a day.
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {"metadata": {"labels": LABELS}, "spec": _job_spec(wanted)},
        },
    }


def arguments(wanted: InCluster) -> list[str]:
    """What the command is started with."""
    state = ["--no-state"] if wanted.state is None else ["--state", str(wanted.state)]
    shards = [] if wanted.shards is None else ["--shards", str(wanted.shards)]
    events = ["--events"] if wanted.events else []
    ignore = ["--ignore-not-found"] if wanted.crds and wanted.may_be_new else []
    return ["run", "--yes", *state, *events, *shards, *ignore, *wanted.crds]


def _metadata(wanted: InCluster, suffix: str = "") -> Manifest:
    return {"name": f"{wanted.name}{suffix}", "namespace": wanted.namespace, "labels": LABELS}


def _job_spec(wanted: InCluster) -> Manifest:
    indexed = wanted.shards is not None
    fail = "FailIndex" if indexed else "FailJob"
    return {
        **(_indexed(wanted.shards) if wanted.shards is not None else {"backoffLimit": _RETRIES}),
        "podFailurePolicy": {
            "rules": [
                {
                    "action": fail,
                    "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": FINAL_CODES},
                },
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
            ]
        },
        "template": {"metadata": {"labels": LABELS}, "spec": _pod(wanted)},
    }


def _indexed(shards: int) -> Manifest:
    return {
        "completionMode": "Indexed",
        "completions": shards,
        "parallelism": shards,
        "backoffLimitPerIndex": _RETRIES,
    }


def _pod(wanted: InCluster) -> Manifest:
    return {
        "serviceAccountName": wanted.name,
        "automountServiceAccountToken": True,
        # A Service named asyncmigrate-metrics would set ASYNCMIGRATE_METRICS_PORT to its address.
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": CONTAINER,
                "image": wanted.image,
                "args": arguments(wanted),
                # A limit on CPU would only slow it down; of memory it needs the same for any number of objects.
                "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
    }
