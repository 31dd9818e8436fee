"""Calls webhooks, as their `clientConfig` says, and words what went wrong as Go does."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import aiohttp
import msgspec


class WebhookCallError(Exception):
    """A webhook that gave no usable answer; the text says why."""


async def ask(client_config: Mapping[str, Any], review: dict[str, Any], *, seconds: int) -> dict[str, Any]:
    """Post a review, and return the `response` in the answer.

    Raises:
        WebhookCallError: it could not be called within `seconds`, or what it said is no review.
    """
    url = f"{client_config.get('url', '')}?timeout={seconds}s"
    trust = _trust(client_config.get("caBundle") or "")
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=seconds)) as session,
            session.post(
                url, data=msgspec.json.encode(review), ssl=trust, headers={"Content-Type": "application/json"}
            ) as answer,
        ):
            answer.raise_for_status()
            response = msgspec.json.decode(await answer.read(), type=dict[str, Any]).get("response")
    except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError) as error:
        raise WebhookCallError(f'Post "{url}": {_in_words(error)}') from error
    if not isinstance(response, dict):
        raise WebhookCallError(f'Post "{url}": webhook response was absent')
    return response


@lru_cache(maxsize=16)  # to read the certificates takes longer than the call
def _trust(bundle: str) -> ssl.SSLContext:
    authorities = base64.b64decode(bundle).decode()
    return ssl.create_default_context(cadata=authorities or None)


def _in_words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "context deadline exceeded"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "EOF"
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, ConnectionRefusedError):
        return f"dial tcp {error.host}:{error.port}: connect: connection refused"
    return str(error)
