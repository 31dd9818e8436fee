"""Which cluster and user a kubeconfig means, with what the caller says in its place; what we cannot do is refused.

The rules are client-go's: tools/clientcmd/client_config.go and validation.go. Where kubectl goes on as somebody else
than was named (as anonymous, or by a certificate beside `--token`), this does not.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import msgspec

from asyncmigrate._cluster.exec_plugin import ExecConfig
from asyncmigrate._cluster.identity import Impersonation, Overrides
from asyncmigrate._cluster.kubeconfig_files import Entry, Kubeconfig
from asyncmigrate._cluster.server_address import read_server
from asyncmigrate._rules.errors.secrets import Discreet
from asyncmigrate.errors import ConfigError

T = TypeVar("T")

# kubectl 1.26 and later have no others either; these two have a command that writes the plugin into the kubeconfig.
_REPLACEMENTS = {
    "azure": "`kubelogin convert-kubeconfig` makes it an exec plugin",
    "gcp": "`gcloud container clusters get-credentials` makes it an exec plugin",
}


class ClusterInfo(Discreet, frozen=True, rename="kebab"):
    """A cluster; paths are absolute or relative to where we are."""

    server: str = ""
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""
    disable_compression: bool = False
    extensions: tuple[dict[str, Any], ...] = ()

    _hidden: ClassVar = frozenset({"proxy_url", "extensions"})


class UserInfo(Discreet, frozen=True, rename="kebab"):
    """A user, in the same way."""

    token: str = ""
    token_file: str = msgspec.field(default="", name="tokenFile")
    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    username: str = ""
    password: str = ""
    auth_provider: dict[str, Any] | None = None
    exec: ExecConfig | None = None
    as_user: str = msgspec.field(default="", name="as")
    as_uid: str = ""
    as_groups: tuple[str, ...] = ()
    as_user_extra: Mapping[str, tuple[str, ...]] = {}

    _hidden: ClassVar = frozenset(
        {"token", "client_certificate_data", "client_key_data", "username", "password", "auth_provider"}
    )

    @property
    def impersonation(self) -> Impersonation:
        return Impersonation(user=self.as_user, uid=self.as_uid, groups=self.as_groups, extra=self.as_user_extra)


class Choice(msgspec.Struct, frozen=True):
    """The cluster and the user to connect with, and whom to act as; `context` is empty if none was needed."""

    context: str
    cluster: ClusterInfo
    user: UserInfo
    acting: Impersonation


class _ContextInfo(msgspec.Struct, frozen=True):
    cluster: str = ""
    user: str = ""


def choose(config: Kubeconfig, said: Overrides) -> Choice:
    """Find the cluster and the user.

    Raises:
        ConfigError: something that is named is not there, or asks for what we cannot do. No secret is quoted.
    """
    name = said.context or config.current_context
    wanted = f"context {name!r}" if said.context else "the current context"
    entry = config.contexts.get(name)
    if entry is None and name:
        raise ConfigError(f"context {name!r} does not exist: see `kubectl config get-contexts`")
    if entry is None and not (said.cluster or said.server):
        raise ConfigError("no current-context is set: give --context")
    context = _ContextInfo() if entry is None else _convert(entry.value, _ContextInfo, wanted)
    cluster = _cluster(config, said, context.cluster, wanted)
    user = _user(config, said, context.user, wanted)
    return Choice(name, cluster, user, said.impersonation(user.impersonation))


def _cluster(config: Kubeconfig, said: Overrides, name: str, wanted: str) -> ClusterInfo:
    entry = _named(config.clusters, said.cluster or name, "cluster", wanted if said.cluster is None else "")
    found = ClusterInfo() if entry is None else _convert(entry.value, ClusterInfo, f"cluster {said.cluster or name!r}")
    if entry is not None:
        found = msgspec.structs.replace(
            found, certificate_authority=_resolve(found.certificate_authority, entry.folder)
        )
    if said.server is not None:
        # The name that the certificate was checked against was that of the other address.
        found = msgspec.structs.replace(found, server=said.server, tls_server_name="")
    if not found.server:
        raise ConfigError(f"{wanted}: its cluster has no server address")
    if found.insecure_skip_tls_verify and (found.certificate_authority or found.certificate_authority_data):
        raise ConfigError(f"{wanted}: its cluster has a certificate authority, and insecure-skip-tls-verify ignores it")
    return msgspec.structs.replace(found, server=read_server(found.server))


def _user(config: Kubeconfig, said: Overrides, name: str, wanted: str) -> UserInfo:
    entry = _named(config.users, said.user or name, "user", wanted if said.user is None else "")
    found = UserInfo() if entry is None else _absolute(entry, f"user {said.user or name!r}")
    if said.token is not None:
        # Only that: the API server would go by a client certificate, were there one beside it.
        return UserInfo(
            token=said.token,
            as_user=found.as_user,
            as_uid=found.as_uid,
            as_groups=found.as_groups,
            as_user_extra=found.as_user_extra,
        )
    _check_user(found, f"user {said.user or name!r}")
    return found


def _named(entries: Mapping[str, Entry], name: str, what: str, wanted: str) -> Entry | None:
    """Find what was named; `wanted` is the context that names it, empty if the caller does."""
    if not name:
        return None
    if name not in entries:
        raise ConfigError(
            f"{wanted} names {what} {name!r}, which is not in the file" if wanted else f"there is no {what} {name!r}"
        )
    return entries[name]


def _absolute(entry: Entry, where: str) -> UserInfo:
    found = _convert(entry.value, UserInfo, where)
    paths = ("token_file", "client_certificate", "client_key")
    plugin = found.exec
    if plugin is not None and os.sep in plugin.command:  # any other command is looked for in PATH
        plugin = msgspec.structs.replace(plugin, command=_resolve(plugin.command, entry.folder))
    resolved = {field: _resolve(getattr(found, field), entry.folder) for field in paths}
    return msgspec.structs.replace(found, exec=plugin, **resolved)


def _resolve(path: str, folder: str) -> str:
    return os.path.abspath(os.path.join(folder, path)) if path else ""  # noqa: PTH100, PTH118 -- of a str


def _convert(value: object, kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:  # its words are about types and places, and quote no value
        raise ConfigError(f"{where} cannot be used: {error}") from None


def _check_user(user: UserInfo, where: str) -> None:
    """Refuse what asks for a way to authenticate that there is not, or for two at once."""
    if user.auth_provider is not None:
        provider = str(user.auth_provider.get("name", ""))
        if provider != "oidc":
            instead = _REPLACEMENTS.get(provider, "use an exec plugin")
            raise ConfigError(f"{where}: the auth-provider {provider!r} is not supported: {instead}")
        if user.exec is not None:
            raise ConfigError(f"{where}: it has both an exec plugin and an auth-provider: keep one")
    if (user.token or user.token_file) and (user.username or user.password):
        raise ConfigError(f"{where}: it has both a token and a user name with a password: keep one")
    if (user.client_certificate or user.client_certificate_data) and not (user.client_key or user.client_key_data):
        raise ConfigError(f"{where}: it has a client certificate without its key")
