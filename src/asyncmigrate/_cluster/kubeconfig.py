"""Opens a transport from a kubeconfig, from inside a pod, or from a caller's own kubernetes-asyncio ApiClient."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubernetes_asyncio.client import Configuration
from kubernetes_asyncio.config import ConfigException, load_incluster_config, load_kube_config

from asyncmigrate._cluster.kube import KubeTransport
from asyncmigrate._cluster.transport import Opened
from asyncmigrate.errors import ConfigError

if TYPE_CHECKING:
    from kubernetes_asyncio.client import ApiClient

DEFAULT_KUBECONFIG = "~/.kube/config"
IN_CLUSTER = "in-cluster"
_POOL = 1024  # what is in flight is bounded by the engine's budget, not by the connection pool


async def open_kubeconfig(path: str | os.PathLike[str] | None, context: str | None) -> Opened:
    """Open as kubectl would: the path given, else $KUBECONFIG, else ~/.kube/config, else the pod that we run in."""
    paths = _paths(path)
    if not paths:
        if path is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            return await open_in_cluster()
        named = path or os.environ.get("KUBECONFIG") or DEFAULT_KUBECONFIG
        raise ConfigError(f"no kubeconfig at {named}: give --kubeconfig, or set KUBECONFIG, to a file that exists")
    joined = os.pathsep.join(paths)
    configuration, name = await _load(joined, context)

    async def reload() -> Any:  # noqa: ANN401 -- kubernetes-asyncio's Configuration is untyped
        return (await _load(joined, name))[0]

    transport = KubeTransport(configuration, reload=reload)
    return Opened(transport, configuration.host, name)


def _paths(path: str | os.PathLike[str] | None) -> list[str]:
    if path is not None:
        candidates = [os.fspath(path)]
    else:
        candidates = (os.environ.get("KUBECONFIG") or DEFAULT_KUBECONFIG).split(os.pathsep)
    return [p for c in candidates if c and Path(p := os.path.expanduser(c)).is_file()]  # noqa: PTH111 -- of a str


async def _load(joined: str, context: str | None) -> tuple[Any, str]:
    configuration = Configuration()
    try:
        # Persisting is off: kubernetes-asyncio calls its own persister with an argument that it does not take.
        loader = await load_kube_config(joined, context, configuration, persist_config=False)
    except ConfigException as error:
        raise ConfigError(_config_problem(joined, context, str(error))) from error
    except Exception as error:  # a kubeconfig of the wrong shape fails in it in any way whatever
        problem = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"{joined}: not a usable kubeconfig: {problem}") from error
    current = loader.current_context or {}
    if not configuration.host.startswith(("https://", "http://")):
        raise ConfigError(f"{joined}: context {current.get('name')}: no server address that begins with https://")
    configuration.connection_pool_maxsize = _POOL
    # Go accepts certificates without the extensions that Python 3.13 began to insist on, and so do clusters.
    configuration.disable_strict_ssl_verification = True
    return configuration, str(current.get("name", ""))


def _config_problem(joined: str, context: str | None, problem: str) -> str:
    wanted = f"context {context!r}" if context else "the current context"
    if "current-context" in problem:
        return f"{joined}: no current-context is set: give --context"
    if "contexts list" in problem:
        return f"{joined}: {wanted} does not exist: see `kubectl config get-contexts`"
    return f"{joined}: {wanted} cannot be used: {problem.removeprefix('Invalid kube-config file. ')}"


async def open_in_cluster() -> Opened:
    configuration = Configuration()
    try:
        load_incluster_config(client_configuration=configuration)
    except (ConfigException, OSError) as error:
        raise ConfigError(f"in-cluster configuration: {error}") from error
    configuration.connection_pool_maxsize = _POOL
    configuration.disable_strict_ssl_verification = True
    return Opened(KubeTransport(configuration), configuration.host, IN_CLUSTER)


async def open_api_client(api_client: ApiClient) -> Opened:
    configuration: Any = api_client.configuration
    return Opened(KubeTransport(configuration, rest=api_client.rest_client), configuration.host, "")
