"""The same for programs that are not async: `plan`, `run` and the rest, which block until they are done.

with Cluster.from_kubeconfig() as cluster:
    todo = plan(cluster, manifests="crds/")
    report = run(cluster, todo)

Each cluster has a thread with an event loop of its own, so all of it works beside a loop that runs already: in a
notebook, a web application, a task queue, or a thread of an async program. Observers are called in that thread. An
exception in the calling thread, such as Ctrl-C's, ends what runs in good order.
"""

from __future__ import annotations

import inspect
import os
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeAlias, TypeVar, overload

from asyncmigrate._cluster.cluster import Cluster as AsyncCluster
from asyncmigrate._engine.carrying import called, carrying
from asyncmigrate._engine.droppable import droppable as _droppable
from asyncmigrate._engine.fleet import plan_fleet as _plan_fleet
from asyncmigrate._engine.fleet import run_fleet as _run_fleet
from asyncmigrate._engine.fleet_work import Members
from asyncmigrate._engine.loop_thread import LoopEndedError, LoopThread
from asyncmigrate._engine.planner import plan as _plan
from asyncmigrate._engine.retry import (
    Attempt,
    ErrorFilter,
    PolicyFor,
    Rules,
    Tries,
    check_call,
    check_function,
    is_transient,
)
from asyncmigrate._engine.runner import run as _run
from asyncmigrate._engine.upgrade import after_upgrade as _after_upgrade
from asyncmigrate._engine.upgrade import before_upgrade as _before_upgrade
from asyncmigrate._rules.flow.retry_schedule import DEFAULT_POLICY
from asyncmigrate.errors import UsageError

if TYPE_CHECKING:
    from types import TracebackType

__all__ = [
    "Cluster",
    "after_upgrade",
    "before_upgrade",
    "droppable",
    "plan",
    "plan_fleet",
    "retry",
    "run",
    "run_fleet",
]

T = TypeVar("T")
P = ParamSpec("P")
_PAIR = 2


Member: TypeAlias = "Cluster | Callable[[], Cluster]"


def _constructor(make: Callable[P, AsyncCluster]) -> Callable[P, Cluster]:
    @wraps(make)
    def constructor(*args: P.args, **kwargs: P.kwargs) -> Cluster:
        return Cluster(make(*args, **kwargs))

    return constructor


class Cluster:
    """One API server, and who we are to it. Use it as a context manager, from any thread.

    It is made as `asyncmigrate.Cluster` is, without `from_api_client`: an ApiClient belongs to the event loop that it
    was made in. A client that is given to `from_httpx` may be used for nothing else.
    """

    from_kubeconfig = staticmethod(_constructor(AsyncCluster.from_kubeconfig))
    in_cluster = staticmethod(_constructor(AsyncCluster.in_cluster))
    from_httpx = staticmethod(_constructor(AsyncCluster.from_httpx))
    from_transport = staticmethod(_constructor(AsyncCluster.from_transport))

    def __init__(self, cluster: AsyncCluster) -> None:
        self._cluster = cluster
        self._loop: LoopThread | None = None
        self._closing: AbstractContextManager[object] | None = None
        self._process = 0  # the ID of the one that opened it

    @property
    def context(self) -> str:
        """The kubeconfig context, `in-cluster`, or empty for a client that the caller brought."""
        return self._cluster.context

    @property
    def server(self) -> str:
        """The API server's base URL."""
        return self._cluster.server

    @property
    def opened(self) -> Any:  # noqa: ANN401, D102 -- what the async functions ask for first
        raise UsageError("this is a cluster of asyncmigrate.sync: use the functions there, or asyncmigrate.Cluster")

    def __enter__(self) -> Self:
        if self._loop is not None:
            self._check_process()
            raise UsageError("the cluster is open already: use it as it is, or make another one")
        with ExitStack() as stack:
            self._process, self._loop = os.getpid(), LoopThread()
            stack.callback(self._forget, self._loop)
            self._call(self._cluster.__aenter__)
            self._closing = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._closing is None:
            return
        if os.getpid() != self._process:  # the connections and the thread are the parent's, who closes them
            return
        self._check_thread()
        with self._closing:
            try:
                self._call(partial(self._cluster.__aexit__, kind, error, traceback))
            except UsageError:
                if error is None:
                    raise

    def _forget(self, loop: LoopThread) -> None:
        self._loop = self._closing = None
        loop.stop()

    def _call(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run it in the cluster's thread, and wait; what interrupts the wait ends it, too."""
        if self._loop is None:
            raise UsageError("the cluster is not open: use `with Cluster.from_...() as cluster:`")
        self._check_process()
        self._check_thread()
        try:
            return called(self._loop, function)
        except LoopEndedError as error:
            raise UsageError(f"the cluster's event loop has ended: {error}; open another cluster") from error

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise UsageError("the cluster was opened before this process was forked: open one in each process")

    def _check_thread(self) -> None:
        if self._loop is not None and threading.get_ident() == self._loop.ident:
            raise UsageError("the cluster cannot be used or closed in an observer: wait until the call returns")


def _blocking(
    function: Callable[Concatenate[AsyncCluster, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Cluster, P], T]:
    @wraps(function)
    def call(cluster: Cluster, /, *args: P.args, **kwargs: P.kwargs) -> T:
        if not isinstance(cluster, Cluster):
            raise UsageError("the cluster is none of asyncmigrate.sync: open it with asyncmigrate.sync.Cluster")
        if "observers" in kwargs:
            kwargs["observers"] = carrying(kwargs["observers"])  # type: ignore[arg-type]  # it is checked there
        return cluster._call(partial(function, cluster._cluster, *args, **kwargs))  # noqa: SLF001 -- one room

    return call


def _of_fleet(
    function: Callable[Concatenate[Members, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Mapping[str, Member] | Iterable[tuple[str, Member]], P], T]:
    """Clusters are given as for the async function, but are those of this module, and not open: all share a thread."""

    @wraps(function)
    def call(clusters: Mapping[str, Member] | Iterable[tuple[str, Member]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        if "observers" in kwargs:
            kwargs["observers"] = carrying(kwargs["observers"])  # type: ignore[arg-type]  # it is checked there
        pairs: Any = clusters.items() if isinstance(clusters, Mapping) else clusters
        if isinstance(pairs, Iterable):  # else it is refused there
            pairs = [(p[0], _async(p[1])) if isinstance(p, tuple) and len(p) == _PAIR else p for p in pairs]
        loop = LoopThread()
        try:
            return called(loop, partial(function, pairs, *args, **kwargs))
        finally:
            loop.stop()

    return call


def _async(member: Any) -> Any:  # noqa: ANN401 -- what is none of ours is refused by its name
    if isinstance(member, Cluster):
        if member._loop is not None:  # noqa: SLF001 -- one room
            raise UsageError("a cluster of a fleet is open already: give it as it is before `with`")
        return member._cluster  # noqa: SLF001 -- one room
    return (lambda: _async(member())) if callable(member) else member


plan = _blocking(_plan)
plan_fleet = _of_fleet(_plan_fleet)
run_fleet = _of_fleet(_run_fleet)
run = _blocking(_run)
droppable = _blocking(_droppable)
before_upgrade = _blocking(_before_upgrade)
after_upgrade = _blocking(_after_upgrade)


@overload
def retry(
    call: Callable[[], T],
    *,
    policy: PolicyFor = ...,
    retry_on: ErrorFilter = ...,
    give_up_on: ErrorFilter = ...,
    on_retry: Callable[[Attempt], object] | None = ...,
) -> T: ...
@overload
def retry(
    *,
    policy: PolicyFor = ...,
    retry_on: ErrorFilter = ...,
    give_up_on: ErrorFilter = ...,
    on_retry: Callable[[Attempt], object] | None = ...,
) -> Callable[[Callable[P, T]], Callable[P, T]]: ...
def retry(
    call: Callable[[], T] | None = None,
    *,
    policy: PolicyFor = DEFAULT_POLICY,
    retry_on: ErrorFilter = is_transient,
    give_up_on: ErrorFilter = (),
    on_retry: Callable[[Attempt], object] | None = None,
) -> T | Callable[[Callable[P, T]], Callable[P, T]]:
    """Call `call()` until it succeeds, fails for good, or its budget is spent; or decorate a function with `@retry()`.

    As `asyncmigrate.retry`, which says what the arguments are. The waits are the calling thread's.

    Raises:
        UsageError: a function among the arguments is async, or a filter is none.
        Exception: the last error of `call`.
    """
    rules = Rules(policy, retry_on, give_up_on, on_retry)
    for name, function in {"call": call, **rules.functions}.items():
        _check_sync(name, function)
    if call is not None:
        check_call(call)
        return _retry(call, rules)

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        check_function(function)
        _check_sync("the function", function)

        @wraps(function)
        def again(*args: P.args, **kwargs: P.kwargs) -> T:
            return _retry(partial(function, *args, **kwargs), rules)

        return again

    return decorate


def _retry(call: Callable[[], T], rules: Rules) -> T:
    tries = Tries(rules)
    while True:
        try:
            return call()
        except Exception as error:
            asks_end, asks_again = tries.filters(error)
            gives_up = asks_end()
            attempt = tries.wait(error, gives_up=gives_up, retries=gives_up or asks_again())
            if attempt is None:
                raise
            if rules.on_retry is not None:
                rules.on_retry(attempt)
        time.sleep(attempt.wait)


def _check_sync(name: str, function: object) -> None:
    if inspect.iscoroutinefunction(function):
        raise UsageError(f"{name} is async: use asyncmigrate.retry")
