"""A server's address as a caller wrote it: what a client can use, or one sentence that says why not."""

from __future__ import annotations

from urllib.parse import urlsplit

from yarl import URL

from asyncmigrate.errors import ConfigError


def read_server(address: str) -> str:
    """The base URL of a server, without a slash at its end.

    As in client-go (clientcmd's client_config.go), a query and a fragment are dropped.

    Raises:
        ConfigError: it is no http(s) URL, or it holds credentials, which would be shown wherever a server is named.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
        usable = bool(host) and port != 0 and not any(c.isspace() or not c.isprintable() for c in address)
        if usable and parts.username is None and parts.password is None:
            URL(address)
    except ValueError as error:
        raise ConfigError(f"the server address cannot be used: {_reason(error)}") from None
    if parts.scheme not in {"http", "https"}:
        raise ConfigError("no server address that begins with https://")
    if not usable:
        raise ConfigError("the server address cannot be used: it has no host name, port 0, or a space in it")
    if parts.username is not None or parts.password is not None:
        raise ConfigError("the server address holds a user name or password: take them out, and use a token")
    return parts._replace(query="", fragment="").geturl().rstrip("/")


def _reason(error: ValueError) -> str:
    """Only of what is wrong, and nothing of the address: it may hold a password."""
    return "its port is not a number from 1 to 65535" if "ort" in str(error) else "its host name is malformed"
