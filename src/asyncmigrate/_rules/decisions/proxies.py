"""Proxies as Go has them: which one leads to a server, by the environment's variables; and what its address says.

Rules after golang.org/x/net/http/httpproxy, which net/http and so kubectl use. Two differ: a proxy's address that
cannot be read is an error here, where Go connects without the proxy; and a password is kept apart from the address, so
that no message can show it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from yarl import URL

from asyncmigrate.errors import ConfigError

_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_HIDDEN = "its value is not shown, for it may hold a password"

_IP = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy; `url` has no credentials in it."""

    scheme: str
    host: str
    port: int
    username: str | None = field(default=None, repr=False)
    password: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def is_socks(self) -> bool:
        return self.scheme.startswith("socks5")


def read_proxy(address: str, named: str) -> Proxy:
    """Read a proxy's address, `http://` if it has no scheme; `named` says in errors where it comes from."""
    text = address.strip()
    if "://" not in text:
        text = f"http://{text}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
        if host:
            URL.build(scheme="http", host=host)
    except ValueError:
        raise ConfigError(f"{named} is not the address of a proxy ({_HIDDEN})") from None
    # An unescaped `/`, `?` or `#` in a password ends the host part: what follows it would be shown as a name.
    if not host or "@" in f"{parts.path}{parts.query}{parts.fragment}" or any(c.isspace() for c in text):
        raise ConfigError(f"{named} is not the address of a proxy ({_HIDDEN})")
    if parts.scheme not in _PORTS:
        raise ConfigError(f"{named} names a proxy of the kind {parts.scheme}: use http, https or socks5")
    return Proxy(
        scheme=parts.scheme,
        host=host,
        port=port or _PORTS[parts.scheme],
        username=None if parts.username is None else unquote(parts.username),
        password=unquote(parts.password or ""),
    )


def environment_proxy(server: str, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy that HTTPS_PROXY or HTTP_PROXY names for a server, unless NO_PROXY excepts it."""
    parts = urlsplit(server)
    name = f"{parts.scheme.upper()}_PROXY"
    named, address = _first(environ, name)
    if not address or not uses_proxy(parts, _first(environ, "NO_PROXY")[1]):
        return None
    if parts.scheme == "http" and environ.get("REQUEST_METHOD"):
        # In a CGI program a client's `Proxy:` header becomes HTTP_PROXY: https://golang.org/s/cgihttpproxy.
        raise ConfigError(
            "HTTP_PROXY is not used in a CGI environment, where a client can set it: unset REQUEST_METHOD"
        )
    return read_proxy(address, named)


def _first(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    return next(((n, environ[n]) for n in (name, name.lower()) if environ.get(n)), (name, ""))


def uses_proxy(server: SplitResult, no_proxy: str) -> bool:
    """Tell whether a server is reached through a proxy; this machine itself never is."""
    host = _ascii(server.hostname or "")
    port = str(server.port or _PORTS.get(server.scheme) or "")
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return False
    entries = [e for e in (part.strip().lower() for part in no_proxy.split(",")) if e]
    return "*" not in entries and not any(_excepts(entry, host, port, address) for entry in entries)


def _excepts(entry: str, host: str, port: str, address: _IP | None) -> bool:
    """Tell whether an entry of NO_PROXY means a host: a CIDR; an address or a name, with or without a port."""
    network = _network(entry)
    if network is not None:
        return address is not None and address in network
    name, its_port = _split_port(entry)
    if not name or its_port not in {"", port}:
        return False
    its_address = _address(name)
    if its_address is not None:
        return its_address == address
    name = _ascii(name.removeprefix("*"))  # `*.corp` is `.corp`: only what is below it
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")


def _split_port(entry: str) -> tuple[str, str]:
    """Split as Go's net.SplitHostPort does; what it would not split is a host as a whole."""
    host, colon, port = entry.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1], port
    return (host, port) if colon and ":" not in host and "]" not in port else (entry, "")


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    _, slash, bits = entry.partition("/")
    if not slash or not bits.isascii() or not bits.isdigit():
        return None
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None


def _address(text: str) -> _IP | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _ascii(host: str) -> str:
    """An international name as it is looked up."""
    if host.isascii():
        return host
    try:
        found = URL.build(scheme="http", host=host.removeprefix(".")).raw_host or ""
    except ValueError:
        return host
    return f".{found}" if host.startswith(".") else found
