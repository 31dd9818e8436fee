"""The public `Cluster`: where it is, and a transport to it that opens and closes with its scope."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Self

from asyncmigrate._cluster.home import some_home
from asyncmigrate._cluster.transport import OpenCluster
from asyncmigrate.errors import UsageError

if TYPE_CHECKING:
    import os
    from types import TracebackType

    import httpx
    from kubernetes_asyncio.client import ApiClient

    from asyncmigrate._cluster.transport import Transport

DEFAULT_REQUEST_TIMEOUT = 60.0


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
        self.request_timeout = request_timeout

    @classmethod
    def from_kubeconfig(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        context: str | None = None,
        request_timeout: float | None = DEFAULT_REQUEST_TIMEOUT,
    ) -> Self:
        """Open as kubectl would.

        Args:
            path: a kubeconfig; None takes $KUBECONFIG (a list of files is merged), else ~/.kube/config, else the
                configuration of the pod that we run in.
            context: None takes the current one.
            request_timeout: seconds for one request, 60 by default; None for no bound.

        Entering raises ConfigError where any of it is missing or broken. When the server answers 401 the kubeconfig is
        read again (credential plugins run again), and the request is sent once more if that brought new credentials.
        """

        async def open_transport() -> OpenCluster:
            with some_home():
                from asyncmigrate._cluster.kubeconfig import open_kubeconfig  # noqa: PLC0415 -- costs 0.5 s to import

            return await open_kubeconfig(path, context)

        return cls(open_transport, request_timeout=request_timeout)

    @classmethod
    def in_cluster(cls, *, request_timeout: float | None = DEFAULT_REQUEST_TIMEOUT) -> Self:
        """Open from inside a pod, as its service account; the token is read anew every minute."""

        async def open_transport() -> OpenCluster:
            with some_home():
                from asyncmigrate._cluster.kubeconfig import open_in_cluster  # noqa: PLC0415 -- costs 0.5 s to import

            return await open_in_cluster()

        return cls(open_transport, request_timeout=request_timeout)

    @classmethod
    def from_api_client(cls, api_client: ApiClient, *, request_timeout: float | None = DEFAULT_REQUEST_TIMEOUT) -> Self:
        """Use a `kubernetes_asyncio.client.ApiClient`: its configuration and its connections; it stays the caller's."""

        async def open_transport() -> OpenCluster:
            with some_home():
                from asyncmigrate._cluster.kubeconfig import open_api_client  # noqa: PLC0415 -- costs 0.5 s to import

            return await open_api_client(api_client)

        return cls(open_transport, request_timeout=request_timeout)

    @classmethod
    def from_httpx(cls, client: httpx.AsyncClient, *, request_timeout: float | None = DEFAULT_REQUEST_TIMEOUT) -> Self:
        """Use an `httpx.AsyncClient` (extra `asyncmigrate[httpx]`) whose `base_url` is the API server's.

        Its credentials, proxies and TLS settings are used as they are; it stays the caller's.
        """

        async def open_transport() -> OpenCluster:
            from asyncmigrate._cluster.httpx_transport import HttpxTransport  # noqa: PLC0415 -- an optional extra

            return OpenCluster(HttpxTransport(client), str(client.base_url).rstrip("/"))

        return cls(open_transport, request_timeout=request_timeout)

    @classmethod
    def from_transport(
        cls, transport: Transport, *, server: str, request_timeout: float | None = DEFAULT_REQUEST_TIMEOUT
    ) -> Self:
        """Use any object that moves bytes to the API server at `server`; leaving closes it."""

        async def open_transport() -> OpenCluster:
            return OpenCluster(transport, server)

        return cls(open_transport, request_timeout=request_timeout)

    @property
    def opened(self) -> OpenCluster:
        if self._opened is None:
            raise UsageError("the cluster is not open: use `async with Cluster.from_...() as cluster:`")
        return self._opened

    @property
    def context(self) -> str:
        return self.opened.context

    @property
    def server(self) -> str:
        return self.opened.server

    async def __aenter__(self) -> Self:
        self._opened = await self._open_transport()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._opened is not None:
            await self._opened.transport.aclose()
            self._opened = None
