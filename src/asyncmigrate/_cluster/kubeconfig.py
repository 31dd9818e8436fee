"""Opens a transport from a kubeconfig, from inside a pod, or from a caller's own kubernetes-asyncio ApiClient."""

from __future__ import annotations

import binascii
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from kubernetes_asyncio.client import Configuration
from kubernetes_asyncio.config import ConfigException, load_incluster_config

from asyncmigrate._cluster.aiohttp_transport import AiohttpTransport
from asyncmigrate._cluster.credentials import Loader
from asyncmigrate._cluster.given_kubeconfig import GIVEN
from asyncmigrate._cluster.transport import OpenCluster
from asyncmigrate.errors import ConfigError

if TYPE_CHECKING:
    from kubernetes_asyncio.client import ApiClient

DEFAULT_KUBECONFIG = "~/.kube/config"
IN_CLUSTER = "in-cluster"
_POOL = 1024  # what is in flight is bounded by the engine's budget, not by the connection pool

# What it logs as errors it raises too; without a handler Python would print it beside our one line.
logging.getLogger("kubernetes_asyncio").addHandler(logging.NullHandler())


async def open_kubeconfig(
    path: str | os.PathLike[str] | Mapping[str, Any] | None, context: str | None, *, within: float | None = None
) -> OpenCluster:
    """Open as kubectl would: the path given, else $KUBECONFIG, else ~/.kube/config, else the pod that we run in.

    Credentials that take longer than `within` seconds are given up; None for as long as the loader thinks right.
    """
    paths = [] if isinstance(path, Mapping) else _paths(path)
    if not paths and not isinstance(path, Mapping):
        if path is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            return await open_in_cluster()
        named = path or os.environ.get("KUBECONFIG") or DEFAULT_KUBECONFIG
        raise ConfigError(f"no kubeconfig at {named}: give --kubeconfig, or set KUBECONFIG, to a file that exists")
    joined = path if isinstance(path, Mapping) else os.pathsep.join(paths)
    configuration, name = await _load(joined, context, within)

    async def reload() -> Any:  # noqa: ANN401 -- kubernetes-asyncio's Configuration is untyped
        return (await _load(joined, name, within))[0]

    transport = AiohttpTransport(configuration, reload=reload)
    return OpenCluster(transport, configuration.host, name)


def _paths(path: str | os.PathLike[str] | None) -> list[str]:
    if path is not None:
        candidates = [os.fspath(path)]
    else:
        candidates = (os.environ.get("KUBECONFIG") or DEFAULT_KUBECONFIG).split(os.pathsep)
    return [p for c in candidates if c and Path(p := os.path.expanduser(c)).is_file()]  # noqa: PTH111 -- of a str


async def _load(found: str | Mapping[str, Any], context: str | None, within: float | None) -> tuple[Any, str]:
    configuration = Configuration()
    joined = found if isinstance(found, str) else GIVEN
    try:
        loader = Loader(found, context)
        seconds = within or loader.seconds
        with anyio.move_on_after(seconds) as scope:
            await loader.load_and_set(configuration)
    except Exception as error:  # noqa: BLE001 -- a kubeconfig of the wrong shape can fail in it in any way whatever
        raise ConfigError(f"{joined}: {_problem(error, context)}") from None
    if scope.cancelled_caught:
        raise ConfigError(f"{joined}: {_wanted(context)}: {loader.asked} gave no credentials in {seconds:g} s")
    current = loader.current_context or {}
    if not configuration.host.startswith(("https://", "http://")):
        raise ConfigError(f"{joined}: context {current.get('name')}: no server address that begins with https://")
    configuration.connection_pool_maxsize = _POOL
    # Go accepts certificates without the extensions that Python 3.13 began to insist on, and so do clusters.
    configuration.disable_strict_ssl_verification = True
    return configuration, str(current.get("name", ""))


def _problem(error: Exception, context: str | None) -> str:
    """Say what is wrong with a kubeconfig, quoting none of it: kubernetes-asyncio's messages can hold whole users."""
    wanted = _wanted(context)
    words = " ".join(str(error).split())
    if (mark := getattr(error, "problem_mark", None)) is not None:  # PyYAML's, which is kubernetes-asyncio's affair
        return f"not valid YAML at line {mark.line + 1}: {getattr(error, 'problem', None) or 'syntax error'}"
    if not isinstance(error, ConfigException):
        if isinstance(error, OSError):
            return f"{wanted}: {error.strerror}: {error.filename}"
        if isinstance(error, binascii.Error):
            return f"{wanted}: its certificate or key data is not base64"
        return f"not a usable kubeconfig ({type(error).__name__})"
    if "key current-context" in words:
        return "no current-context is set: give --context"
    if match := re.search(r"object with name (\S+) in \S+?(contexts|clusters|users) list", words):
        name, section = match.groups()
        if section == "contexts":
            return f"context {name!r} does not exist: see `kubectl config get-contexts`"
        return f"{wanted} names {section.removesuffix('s')} {name!r}, which is not in the file"
    if match := re.search(r"Expected key (\S+) in", words):
        return f"{wanted} cannot be used: key {match[1]!r} is missing"
    if words.startswith(("exec:", "oidc:", "File does not exist")):
        return f"{wanted}: {words}"
    return "not a usable kubeconfig"


def _wanted(context: str | None) -> str:
    return f"context {context!r}" if context else "the current context"


async def open_in_cluster() -> OpenCluster:
    configuration = Configuration()
    try:
        load_incluster_config(client_configuration=configuration)
    except (ConfigException, OSError) as error:
        raise ConfigError(f"in-cluster configuration: {error}") from error
    configuration.connection_pool_maxsize = _POOL
    configuration.disable_strict_ssl_verification = True
    return OpenCluster(AiohttpTransport(configuration), configuration.host, IN_CLUSTER)


async def open_api_client(api_client: ApiClient) -> OpenCluster:
    configuration: Any = api_client.configuration
    return OpenCluster(AiohttpTransport(configuration, rest=api_client.rest_client), configuration.host, "")
