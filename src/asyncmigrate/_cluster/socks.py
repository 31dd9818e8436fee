"""Connections through a socks5 proxy, by aiohttp-socks: the extra `asyncmigrate[socks]`."""

from __future__ import annotations

import ssl

import aiohttp
from aiohttp_socks import ProxyConnectionError, ProxyConnector, ProxyError, ProxyTimeoutError, ProxyType

from asyncmigrate._rules.decisions.proxies import Proxy

# What comes in place of aiohttp's own where the proxy cannot be reached, or does not reach the server.
ERRORS: tuple[type[Exception], ...] = (ProxyConnectionError, ProxyError, ProxyTimeoutError)


def socks_connector(proxy: Proxy, *, trust: ssl.SSLContext | bool, limit: int) -> aiohttp.BaseConnector:
    """Connect through a proxy, which looks the server's name up, as it does for Go."""
    return ProxyConnector(
        proxy_type=ProxyType.SOCKS5,
        host=proxy.host,
        port=proxy.port,
        username=proxy.username,
        password=None if proxy.username is None else proxy.password,
        rdns=True,
        ssl=trust,
        limit=limit,
    )
