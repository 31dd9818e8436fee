"""A kubeconfig's credentials through kubernetes-asyncio, whose plugins run here: as children that end with us."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shlex
import signal
from collections.abc import Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import anyio
from kubernetes_asyncio.config import ConfigException
from kubernetes_asyncio.config.exec_provider import ExecProvider
from kubernetes_asyncio.config.kube_config import ConfigNode, KubeConfigLoader, KubeConfigMerger

# Plugins ask a token service, which takes seconds; where it hangs, nobody is served by waiting for longer.
_SECONDS = 60.0
# On a terminal a person may be logging in in a browser, and has Ctrl-C.
_PERSON_SECONDS = 300.0
_LAST_SECONDS = 0.2  # for a plugin to tidy up once it is told to end, before it is killed
_MOST_WORDS = 500  # of what a plugin says on stderr


class Loader(KubeConfigLoader):  # type: ignore[misc]  # it is untyped
    """Loads a context of a kubeconfig, or of several joined as in $KUBECONFIG; None takes the current one.

    kubernetes-asyncio has no hook for plugins, sets them no time, and leaves them running when it is cancelled.

    Attributes:
        asked: who was asked for credentials last.
    """

    def __init__(self, joined: str | Mapping[str, Any], context: str | None) -> None:
        super().__init__(
            KubeConfigMerger(joined).config if isinstance(joined, str) else ConfigNode("given", dict(joined)),
            active_context=context,
            get_google_credentials=self._gcloud,
            config_base_path=None,
        )
        self.asked = f"its auth-provider {self.provider}"

    @property
    def seconds(self) -> float:
        """How long credentials may take."""
        return _PERSON_SECONDS if _has_person() else _SECONDS

    async def load_from_exec_plugin(self) -> bool:
        """Have the plugin's answer stand where the user's own token or certificate would."""
        plugin = ExecProvider(self._user["exec"])
        self.asked = f"exec: {plugin.args[0]}"
        info = {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": {"interactive": _has_person()}}
        answer = await _output_of(plugin.args, plugin.env | {"KUBERNETES_EXEC_INFO": json.dumps(info)}, self.asked)
        self._user.value |= _credentials(_status_of(answer, plugin.api_version))
        self._load_user_token()
        return True

    async def _gcloud(self) -> SimpleNamespace:
        config = self._user["auth-provider"]["config"]
        args = [str(config["cmd-path"]), *shlex.split(str(config["cmd-args"]))]
        self.asked = f"exec: {args[0]}"
        found = json.loads(await _output_of(args, os.environ, self.asked))["credential"]
        return SimpleNamespace(token=found["access_token"], expiry=found["token_expiry"])


def _has_person() -> bool:
    return os.isatty(0)


async def _output_of(args: list[str], env: Mapping[str, str], name: str) -> bytes:
    """What a command prints; it ends, with all that it has started, when we are cancelled."""
    with anyio.CancelScope(
        shield=True
    ):  # it takes a moment; asyncio, cancelled in it, would forget the child's children
        process = await asyncio.create_subprocess_exec(
            *args,
            env=env,
            stdin=None if _has_person() else asyncio.subprocess.DEVNULL,  # that may be a manifest that is ours to read
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    try:
        out, words = await process.communicate()
    except BaseException:
        await _end(process)
        raise
    if process.returncode:
        said = words.decode(errors="replace").strip()[:_MOST_WORDS]
        raise ConfigException(f"{name} returned {process.returncode}{f'. {said}' if said else ''}")
    return out


async def _end(process: asyncio.subprocess.Process) -> None:
    with anyio.CancelScope(shield=True):
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)
            with anyio.move_on_after(_LAST_SECONDS):
                await process.communicate()


def _status_of(answer: bytes, api_version: str) -> dict[str, Any]:
    try:
        found = json.loads(answer)
    except ValueError as error:
        raise ConfigException(f"exec: the plugin's output is not JSON: {error}") from error
    status = found.get("status") if isinstance(found, dict) else None
    if not isinstance(status, dict) or found.get("kind") != "ExecCredential":
        raise ConfigException("exec: the plugin's output is no ExecCredential with a status")
    if found.get("apiVersion") != api_version:
        raise ConfigException(f"exec: the plugin speaks {found.get('apiVersion')}, and {api_version} is asked for")
    return status


def _credentials(status: dict[str, Any]) -> dict[str, str]:
    """An ExecCredential's status in a kubeconfig's words."""
    found = {"token": status["token"]} if status.get("token") else {}
    if status.get("clientCertificateData"):
        if not status.get("clientKeyData"):
            raise ConfigException("exec: the plugin gave a certificate without its key")
        for ours, theirs in (
            ("client-certificate-data", "clientCertificateData"),
            ("client-key-data", "clientKeyData"),
        ):
            found[ours] = base64.b64encode(status[theirs].encode()).decode()
    if not found:
        raise ConfigException("exec: the plugin gave neither a token nor a certificate")
    return found
