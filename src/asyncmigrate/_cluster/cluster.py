"""The public `Cluster`: where it is, and a transport to it that opens and closes with its scope."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

import anyio

from asyncmigrate._cluster.given_kubeconfig import given_kubeconfig
from asyncmigrate._cluster.identity import Overrides
from asyncmigrate._cluster.transport import OpenCluster
from asyncmigrate.errors import UsageError

if TYPE_CHECKING:
    import os
    from types import TracebackType

    import httpx
    import httpx2
    from kubernetes_asyncio.client import ApiClient

    from asyncmigrate._cluster.transport import Transport

DEFAULT_REQUEST_TIMEOUT = 60.0
_LAST_SECONDS = 5.0  # for a plan or run to end that is still at it when the cluster is closed


class Cluster:
    """One API server, and who we are to it. Use it as an async context manager.

    Entering opens the connection's configuration (files are read, credential plugins run) but sends nothing. What the
    cluster opened is closed on leaving; a client that the caller brought stays open.

    Attributes:
        request_timeout: seconds for one request, answer included; None waits for as long as the server does.
        context: the kubeconfig context, `in-cluster`, or empty for a client that the caller brought.
        server: the API server's base URL.
    """

    def __init__(
        self,
        open_transport: Callable[[], Awaitable[OpenCluster]],
        *,
        request_timeout: float | None = DEFAULT_REQUEST_TIMEOUT,
    ) -> None:
        self._open_transport = open_transport
        self._opened: OpenCluster | None = None
        self._opening = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._uses: dict[anyio.CancelScope, anyio.Event] = {}
        self.request_timeout = request_timeout

    @classmethod
    def from_kubeconfig(
        cls,
        path: str | bytes | os.PathLike[str] | Mapping[str, Any] | None = None,
        *,
        context: str | None = None,
        cluster: str | None = None,
        user: str | None = None,
        server: str | None = None,
        token: str | None = None,
        as_user: str | None = None,
        as_uid: str | None = None,
        as_groups: Iterable[str] | None = None,
        stdin_is_taken: bool = False,
        request_timeout: float | None = DEFAULT_REQUEST_TIMEOUT,
    ) -> Self:
        """Open as kubectl would, and act as the user that the kubeconfig or `as_user` says.

        Args:
            path: a kubeconfig's path; or what one holds, as a text (bytes, or a str of several lines) or as a dict; or
                the Secret that Cluster API keeps one in, as a dict. None takes $KUBECONFIG (a list of files is merged),
                else ~/.kube/config, else the configuration of the pod that we run in.
            context: None takes the current one.
            cluster: the kubeconfig's cluster to use instead of the context's.
            user: the same for the user.
            server: the API server's URL, instead of the cluster's.
            token: a bearer token, instead of all of the user's credentials.
            as_user: whom to act as, instead of the kubeconfig's `as`, whose groups and uid do not go along then.
            as_uid: the uid to act with.
            as_groups: the groups to act with.
            stdin_is_taken: standard input is read by somebody else, so credential plugins do not get it.
            request_timeout: seconds for one request, 60 by default; None for no bound.

        Entering raises ConfigError where any of it is missing or broken. When the server answers 401 the kubeconfig is
        read again (credential plugins run again), and the request is sent once more if that brought new credentials.
        An auth-provider other than `oidc` is refused.

        Raises:
            UsageError: a word is empty.
            ConfigError: a dict or a text is no kubeconfig.
        """
        said = Overrides(
            context=context,
            cluster=cluster,
            user=user,
            server=server,
            token=token,
            as_user=as_user,
            as_uid=as_uid,
            as_groups=_groups(as_groups),
            stdin_is_taken=stdin_is_taken,
        )
        given = given_kubeconfig(path)

        async def open_transport() -> OpenCluster:
            from asyncmigrate._cluster.kubeconfig import open_kubeconfig  # noqa: PLC0415 -- costs 0.2 s to import

            return await open_kubeconfig(given, said)

        return cls(open_transport, request_timeout=request_timeout)

    @classmethod
    def in_cluster(
        cls,
        *,
        as_user: str | None = None,
        as_uid: str | None = None,
        as_groups: Iterable[str] | None = None,
        request_timeout: float | None = DEFAULT_REQUEST_TIMEOUT,
    ) -> Self:
        """Open from inside a pod, as its service account or as `as_user`.

        When the server answers 401 the token is read again, and the request is sent once more if it is another one.
        """
        said = Overrides(as_user=as_user, as_uid=as_uid, as_groups=_groups(as_groups))

        async def open_transport() -> OpenCluster:
            from asyncmigrate._cluster.kubeconfig import open_in_cluster  # noqa: PLC0415 -- costs 0.2 s to import

            return await open_in_cluster(said)

        return cls(open_transport, request_timeout=request_timeout)

    @classmethod
    def from_api_client(cls, api_client: ApiClient, *, request_timeout: float | None = DEFAULT_REQUEST_TIMEOUT) -> Self:
        """Use a `kubernetes_asyncio.client.ApiClient`: its configuration, connections and default headers.

        It stays the caller's. Its token is what its configuration has at each request: `refresh_api_key_hook` is
        asked, and nothing else renews it. A credential plugin that its configuration was loaded with does not run
        again.

        Raises:
            UsageError: it is something else, such as the synchronous ApiClient of `kubernetes`.
        """
        pool: Any = getattr(getattr(api_client, "rest_client", None), "pool_manager", None)
        if not hasattr(pool, "connector"):
            kind = f"{type(api_client).__module__.partition('.')[0]}.{type(api_client).__name__}"
            raise UsageError(f"from_api_client takes a kubernetes_asyncio.client.ApiClient, not {kind}")

        async def open_transport() -> OpenCluster:
            from asyncmigrate._cluster.kubeconfig import open_api_client  # noqa: PLC0415 -- costs 0.2 s to import

            if pool.connector is None or pool.connector.closed:
                raise UsageError("the ApiClient is closed: open the cluster inside its `async with` block")
            return await open_api_client(api_client)

        return cls(open_transport, request_timeout=request_timeout)

    @classmethod
    def from_httpx(
        cls,
        client: httpx.AsyncClient | httpx2.AsyncClient,
        *,
        request_timeout: float | None = DEFAULT_REQUEST_TIMEOUT,
    ) -> Self:
        """Use an `httpx.AsyncClient` or `httpx2.AsyncClient` whose `base_url` is the API server's.

        Its headers (such as `Impersonate-User`), credentials, proxies and TLS settings are used as they are; it stays
        the caller's. The extras `asyncmigrate[httpx]` and `asyncmigrate[httpx2]` bring the one or the other.

        Raises:
            UsageError: it is a synchronous client or something else, or has no base_url.
        """
        from asyncmigrate._cluster.httpx_transport import HttpxTransport, check_client  # noqa: PLC0415 -- rarely needed

        check_client(client)

        async def open_transport() -> OpenCluster:
            transport = HttpxTransport(client)
            return OpenCluster(transport, transport.server)

        return cls(open_transport, request_timeout=request_timeout)

    @classmethod
    def from_transport(
        cls, transport: Transport, *, server: str, request_timeout: float | None = DEFAULT_REQUEST_TIMEOUT
    ) -> Self:
        """Use any object that moves bytes to the API server at `server`; leaving closes it."""
        if missing := [name for name in ("send", "aclose") if not callable(getattr(transport, name, None))]:
            raise UsageError(f"the transport is {type(transport).__name__}, which has no {missing[0]}: see Transport")

        async def open_transport() -> OpenCluster:
            return OpenCluster(transport, server)

        return cls(open_transport, request_timeout=request_timeout)

    @property
    def opened(self) -> OpenCluster:
        if self._opened is None:
            raise UsageError("the cluster is not open: use `async with Cluster.from_...() as cluster:`")
        return self._opened

    @property
    def in_flight(self) -> int:
        """How many requests are in flight now; none while it is not open."""
        return self._opened.traffic.in_flight if self._opened is not None else 0

    @property
    def is_open(self) -> bool:
        """It is open: entered, and not left yet."""
        return self._opened is not None

    @property
    def context(self) -> str:
        return self.opened.context

    @property
    def server(self) -> str:
        return self.opened.server

    @asynccontextmanager
    async def in_use(self, what: str) -> AsyncIterator[None]:
        """Be told by a cancellation where the cluster is closed meanwhile; `what` is the function that uses it.

        Raises:
            UsageError: it was closed, is not open, or was opened in another event loop.
        """
        if self.opened and asyncio.get_running_loop() is not self._loop:
            raise UsageError("the cluster was opened in another event loop: open it where it is used")
        ended = anyio.Event()
        try:
            with anyio.CancelScope() as scope:
                self._uses[scope] = ended
                yield
        finally:
            del self._uses[scope]
            ended.set()
        if scope.cancelled_caught:
            raise UsageError(f"the cluster was closed while {what} was using it: leave its block when that has ended")

    async def __aenter__(self) -> Self:
        if self._opened is not None or self._opening:
            raise UsageError("the cluster is open already: use it as it is, or make another one")
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            raise UsageError(
                "asyncmigrate needs asyncio, and this is another event loop: use asyncmigrate.sync in a thread"
            ) from None
        self._opening = True
        try:
            self._opened = await self._open_transport()
        finally:
            self._opening = False
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for use in tuple(self._uses):
            use.cancel()
        with anyio.move_on_after(_LAST_SECONDS, shield=True):
            for ended in tuple(self._uses.values()):
                await ended.wait()
        if self._opened is not None:
            await self._opened.transport.aclose()
            self._opened = None


def _groups(groups: Iterable[str] | None) -> tuple[str, ...] | None:
    if isinstance(groups, str):
        raise UsageError("as_groups is one string: give a list of groups")
    return None if groups is None else tuple(groups)
