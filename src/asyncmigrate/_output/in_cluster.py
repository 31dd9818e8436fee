"""What to print for runs inside a cluster: the checked options of `asyncmigrate manifests` and `asyncmigrate rbac`."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from asyncmigrate._rules.decisions.cron import check_schedule
from asyncmigrate._rules.decisions.names import check_crd_name, check_image, check_label, check_subdomain
from asyncmigrate.errors import UsageError

# A CronJob's name gets eleven more characters for each Job, and a Job's some more for each pod: 63 in all.
_MOST = 52
_STATE = "configmap:"


class Hook(StrEnum):
    """Which tool runs the Job, and when in an upgrade; `argocd` is both before and after."""

    HELM_PRE = "helm-pre"
    HELM_POST = "helm-post"
    ARGOCD = "argocd"
    ARGOCD_PRE = "argocd-pre"
    ARGOCD_POST = "argocd-post"


class ConfigMapName(msgspec.Struct, frozen=True):
    """A ConfigMap that keeps how far runs have got."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{_STATE}{self.namespace}/{self.name}"


class InCluster(msgspec.Struct, frozen=True, kw_only=True):
    """A run inside a cluster.

    Attributes:
        crds: the CRDs to migrate, by name; none means all of the cluster.
        may_be_new: the cluster may not have all of them yet.
        namespace: where the Job runs.
        name: of the Job, and of what goes with it.
        image: the container image that has asyncmigrate.
        state: the ConfigMap that keeps how far it has got; None for a run that begins anew.
        events: the run leaves Events on CRDs.
        shards: how many pods share the objects; None for one pod that does all.
        schedule: when to run, for a CronJob; None for a Job.
        hook: of a deployment tool; None for none.
        flow_schema: print a FlowSchema, too.
    """

    crds: tuple[str, ...] = ()
    may_be_new: bool = False
    namespace: str = "default"
    name: str = "asyncmigrate"
    image: str = "asyncmigrate"
    state: ConfigMapName | None = None
    events: bool = False
    shards: int | None = None
    schedule: str | None = None
    hook: Hook | None = None
    flow_schema: bool = False

    def __post_init__(self) -> None:
        for crd in self.crds:
            check_crd_name(crd)
        check_label("--namespace", self.namespace)
        check_label("--name", self.name, most=_MOST)
        check_image(self.image)
        if self.schedule is not None:
            check_schedule(self.schedule)
        if self.schedule is not None and self.hook is not None:
            raise UsageError("--schedule makes a CronJob, and --hook needs a Job that ends: give one of them")
        if self.shards is not None and self.state is None:
            raise UsageError("--shards needs a state that all of them share: leave out --no-state")

    @property
    def everywhere(self) -> str:
        """The name of what is in no namespace: another installation in another namespace has another."""
        return f"{self.name}.{self.namespace}"


def state_of(text: str) -> ConfigMapName:
    """Read `configmap:NAMESPACE/NAME`.

    Raises:
        UsageError: it is something else.
    """
    namespace, slash, name = text.removeprefix(_STATE).partition("/")
    if not text.startswith(_STATE) or not slash:
        raise UsageError(f"--state {text!r}: a pod keeps no files; write configmap:NAMESPACE/NAME")
    check_label("--state: the namespace", namespace)
    check_subdomain("--state: the ConfigMap", name)
    return ConfigMapName(namespace, name)
