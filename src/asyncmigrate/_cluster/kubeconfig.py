"""Opens a transport from a kubeconfig, from inside a pod, or from a caller's own kubernetes-asyncio ApiClient."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from asyncmigrate._cluster.aiohttp_transport import Access, AiohttpTransport
from asyncmigrate._cluster.credentials import Credentials, credentials_of, trust
from asyncmigrate._cluster.home import some_home
from asyncmigrate._cluster.identity import Headers, Impersonation, Overrides, check_header
from asyncmigrate._cluster.kubeconfig_choice import Choice, ClusterInfo, UserInfo, choose
from asyncmigrate._cluster.kubeconfig_files import DEFAULT_KUBECONFIG, Kubeconfig, Source
from asyncmigrate._cluster.server_address import read_server
from asyncmigrate._cluster.translate import one_line
from asyncmigrate._cluster.transport import OpenCluster
from asyncmigrate.errors import ConfigError, MigrateError

if TYPE_CHECKING:
    from kubernetes_asyncio.client import ApiClient

IN_CLUSTER = "in-cluster"
# Plugins ask a token service, which takes seconds; where it hangs, nobody is served by waiting for longer.
_SECONDS = 60.0
# On a terminal a person may be logging in in a browser, and has Ctrl-C.
_PERSON_SECONDS = 300.0
_POD_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_GENERATED_AGENT = "OpenAPI-Generator/"  # what an ApiClient calls itself unless its owner says something else


async def open_kubeconfig(
    given: str | os.PathLike[str] | Mapping[str, Any] | None,
    said: Overrides | None = None,
    *,
    within: float | None = None,
) -> OpenCluster:
    """Open as kubectl would: what is given, else $KUBECONFIG, else ~/.kube/config, else the pod that we run in.

    Credentials that take longer than `within` seconds are given up; None for as long as a person or a service may need.
    """
    said = said or Overrides()
    source = Source(given)
    if not source.is_there:
        if given is None and not os.environ.get("KUBECONFIG"):
            if "KUBERNETES_SERVICE_HOST" in os.environ:
                return await open_in_cluster(said)
            if said.server is not None:
                return await _Opener(Source({}), said, within).open()
        named = given or os.environ.get("KUBECONFIG") or DEFAULT_KUBECONFIG
        raise ConfigError(f"no kubeconfig at {named}: give --kubeconfig, or set KUBECONFIG, to a file that exists")
    return await _Opener(source, said, within).open()


class _Opener:
    """Reads a kubeconfig, at first and whenever its credentials are to be renewed."""

    def __init__(self, source: Source, said: Overrides, within: float | None) -> None:
        self._source = source
        self._said = said
        self._within = within
        self._newer: dict[str, str] = {}

    async def open(self) -> OpenCluster:
        access, context = await self._read()
        # What current-context says may change while we run.
        self._said = _keep_context(self._said, context)

        async def reload() -> Access:
            return (await self._read())[0]

        return OpenCluster(AiohttpTransport(access, reload=reload), access.server, context)

    async def _read(self) -> tuple[Access, str]:
        config = self._source.read()
        try:
            choice = choose(config, self._said)
        except ConfigError as error:
            raise ConfigError(f"{config.where}: {error}") from None
        return await self._access(config, choice), choice.context

    async def _access(self, config: Kubeconfig, choice: Choice) -> Access:
        where = f"{config.where}: {f'context {choice.context!r}' if choice.context else 'no context'}"
        seconds = self._within or (_PERSON_SECONDS if os.isatty(0) else _SECONDS)
        try:
            with anyio.fail_after(seconds):
                credentials = await credentials_of(choice, stdin_is_taken=self._said.stdin_is_taken, newer=self._newer)
            if credentials.authorization:
                check_header(credentials.authorization, "the token")
            return _access(choice.cluster, credentials, choice.acting.headers)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error.__cause__
        except TimeoutError:
            raise ConfigError(f"{where}: {_asked(choice.user)} gave no credentials in {seconds:g} s") from None


def _keep_context(said: Overrides, context: str) -> Overrides:
    fields = {name: getattr(said, name) for name in said.__struct_fields__}
    return Overrides(**fields | {"context": context or None})


def _asked(user: UserInfo) -> str:
    return f"exec: {user.exec.command}" if user.exec else "its auth-provider oidc"


def _access(cluster: ClusterInfo, credentials: Credentials, headers: Headers) -> Access:
    is_tls = cluster.server.startswith("https://")
    return Access(
        server=cluster.server,
        trust=trust(cluster, credentials) if is_tls else None,
        tls_server_name=cluster.tls_server_name if is_tls else "",
        authorization=credentials.authorization,
        certificate=credentials.certificate,
        headers=headers,
        proxy=cluster.proxy_url,
    )


async def open_in_cluster(said: Overrides | None = None, *, folder: Path = _POD_FOLDER) -> OpenCluster:
    """Open as a pod's service account, or with the token and the server that are given in its place."""
    said = said or Overrides()
    for what in ("context", "cluster", "user"):
        if getattr(said, what) is not None:
            raise ConfigError(f"there is no kubeconfig, and so no {what} {getattr(said, what)!r}")

    async def read() -> Access:
        return _pod_access(said, folder)

    access = await read()
    return OpenCluster(AiohttpTransport(access, reload=read), access.server, IN_CLUSTER)


def _pod_access(said: Overrides, folder: Path) -> Access:
    # Costs half a second and 35 MB, and is needed in a pod only.
    with some_home():
        from kubernetes_asyncio.client import Configuration  # noqa: PLC0415
        from kubernetes_asyncio.config.config_exception import ConfigException  # noqa: PLC0415
        from kubernetes_asyncio.config.incluster_config import InClusterConfigLoader  # noqa: PLC0415

    acting = said.impersonation(Impersonation())
    files = {"token_filename": str(folder / "token"), "cert_filename": str(folder / "ca.crt")}
    pod: Any = Configuration()
    try:
        InClusterConfigLoader(**files, try_refresh_token=False).load_and_set(pod)
        [found] = pod.api_key.values()  # under another name before kubernetes-asyncio 35
        token = said.token or found.partition(" ")[2].strip()
        check_header(token, "the token")
        cluster = ClusterInfo(server=read_server(said.server or pod.host), certificate_authority=pod.ssl_ca_cert)
        return _access(cluster, Credentials(f"Bearer {token}"), acting.headers)
    except (ConfigException, ConfigError, OSError, ValueError) as error:
        raise ConfigError(f"in-cluster configuration: {one_line(error)}") from error.__cause__


async def open_api_client(api_client: ApiClient) -> OpenCluster:
    """Open by a caller's client: its configuration, its connections and its default headers."""
    configuration: Any = api_client.configuration
    rest: Any = api_client.rest_client
    proxy_headers = rest.proxy_headers

    async def ask() -> str | None:
        """What its configuration has now: its refresh hook is asked, and its owner may have put a newer token there."""
        try:
            token: str | None = await configuration.get_api_key_with_prefix("BearerToken")
        except MigrateError:
            raise
        except Exception as error:  # it is the caller's code
            raise ConfigError(f"{configuration.host}: refresh_api_key_hook failed: {one_line(error)}") from error
        return token

    access = Access(
        server=read_server(configuration.host),
        tls_server_name=rest.server_hostname or "",
        ask=ask,
        ask_headers=partial(_default_headers, api_client),
        proxy=rest.proxy or "",
        proxy_headers=proxy_headers,
        connector=rest.pool_manager.connector,
    )
    return OpenCluster(AiohttpTransport(access), access.server, "")


def _default_headers(api_client: Any) -> Headers:  # noqa: ANN401 -- kubernetes-asyncio's classes are untyped
    """What goes along with all requests of a client, such as Impersonate-User; not the generator's own name."""
    found = {str(name): str(value) for name, value in api_client.default_headers.items()}
    if api_client.cookie:
        found["Cookie"] = str(api_client.cookie)
    for name, value in found.items():
        check_header(value, f"the default header {name}")
    return tuple(
        (name, value)
        for name, value in found.items()
        if not (name.lower() == "user-agent" and value.startswith(_GENERATED_AGENT))
    )
