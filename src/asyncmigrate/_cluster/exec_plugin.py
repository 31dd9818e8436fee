"""Credential plugins: commands that print an ExecCredential. They run as children that end with us.

After client-go's plugin/pkg/client/auth/exec/exec.go: what a plugin is told, whether it gets standard input, and that
what it writes to standard error is seen at once, such as the code to log in with on another device.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import Any, ClassVar, Self

import anyio

from asyncmigrate._rules.errors.secrets import Discreet, on_one_line
from asyncmigrate.errors import ConfigError

_LAST_SECONDS = 0.2  # for a plugin to tidy up once it is told to end, before it is killed
_MOST_WORDS = 500  # of what a plugin says on stderr, for our own message
_CHUNK = 4096
_MOST_BYTES = 1024 * 1024  # of an ExecCredential, which is a few KB
_VERSIONS = tuple(f"client.authentication.k8s.io/{v}" for v in ("v1", "v1beta1", "v1alpha1"))
_STANDARD_STREAMS = (0, 1, 2)
_MODES = ("Never", "IfAvailable", "Always")


class EnvVar(Discreet, frozen=True):
    name: str
    value: str = ""

    _hidden: ClassVar = frozenset({"value"})


class ExecConfig(Discreet, frozen=True, rename="camel"):
    """`users[].user.exec` of a kubeconfig; the command is as it is to be run."""

    command: str
    api_version: str
    args: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = "IfAvailable"

    _hidden: ClassVar = frozenset({"args", "env"})


def is_interactive(mode: str, *, terminal: bool, taken: bool) -> bool:
    """Tell whether a plugin gets our standard input.

    Args:
        mode: its interactiveMode.
        terminal: standard input is a terminal.
        taken: it holds a manifest, which is ours to read.
    """
    if mode not in _MODES:
        raise ConfigError(f"exec: interactiveMode {mode!r} is none of {', '.join(_MODES)}")
    if mode == "Always" and not terminal:
        raise ConfigError("exec: the plugin asks a person, and standard input is not a terminal")
    if mode == "Always" and taken:
        raise ConfigError("exec: the plugin asks a person, and standard input is read for -f -")
    return mode != "Never" and terminal and not taken


async def run_plugin(plugin: ExecConfig, cluster: Mapping[str, Any] | None, *, stdin_is_taken: bool) -> dict[str, str]:
    """Run a plugin, and return the token or the certificate that it gives, in a kubeconfig's words.

    Raises:
        ConfigError: it cannot be run, fails, or prints something else.
    """
    if plugin.api_version not in _VERSIONS:
        raise ConfigError(f"exec: apiVersion {plugin.api_version!r} is none of {', '.join(_VERSIONS)}")
    interactive = is_interactive(plugin.interactive_mode, terminal=os.isatty(0), taken=stdin_is_taken)
    spec: dict[str, Any] = {"interactive": interactive}
    if plugin.provide_cluster_info:
        spec["cluster"] = cluster
    info = {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": spec}
    env = os.environ | {v.name: v.value for v in plugin.env} | {"KUBERNETES_EXEC_INFO": json.dumps(info)}
    try:
        answer = await output_of([plugin.command, *plugin.args], env, interactive=interactive)
    except OSError as error:
        hint = f". Its kubeconfig says: {' '.join(plugin.install_hint.split())}" if plugin.install_hint.strip() else ""
        raise ConfigError(f"exec: {error.strerror}: {plugin.command}{hint}") from error
    except ValueError as error:  # a NUL byte, or a `=` in the name of a variable
        raise ConfigError(f"exec: {plugin.command} cannot be run: {error}") from error
    return _credentials(_status_of(answer, plugin.api_version))


async def output_of(args: list[str], env: Mapping[str, str], *, interactive: bool) -> bytes:
    """What a command prints; it ends, with all that it has started, when we are cancelled.

    On a terminal it stays in our session, or it could not ask a person there (as some do through /dev/tty, whatever is
    our standard input); Ctrl-C and the terminal's end reach it, too.
    """
    shares_session = any(os.isatty(stream) for stream in _STANDARD_STREAMS)
    with ExitStack() as pipes:
        out, said = [pipes.enter_context(_Pipe()) for _ in range(2)]
        # It takes a moment; asyncio, cancelled in it, would forget the child's children.
        with anyio.CancelScope(shield=True):
            process = await asyncio.create_subprocess_exec(
                *args,
                env=env,
                stdin=None if interactive else asyncio.subprocess.DEVNULL,
                stdout=out.end,
                stderr=said.end,
                start_new_session=not shares_session,
            )
        try:
            printed, words = await _read(process, await out.read(), await said.read())
        except BaseException:
            await _end(process, alone=shares_session)
            raise
    if process.returncode:
        # Before it is cut: what is left of a URL may not look like one. A plugin may print what it was told of proxies.
        why = on_one_line(words.decode(errors="replace"))[-_MOST_WORDS:]
        raise ConfigError(f"exec: {args[0]} returned {process.returncode}{f'. {why}' if why else ''}")
    return printed


class _Pipe:
    """A pipe of our own: asyncio's for a child stays open for as long as any process that the child has left behind."""

    def __enter__(self) -> Self:
        ours, theirs = os.pipe()
        self._ours, self.end = os.fdopen(ours, "rb", 0), os.fdopen(theirs, "wb", 0)
        self._transport: asyncio.ReadTransport | None = None
        return self

    async def read(self) -> asyncio.StreamReader:
        """Begin to read, once the child has the other end."""
        self.end.close()
        reader = asyncio.StreamReader()
        self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self._ours
        )
        return reader

    def __exit__(self, *_: object) -> None:
        self.end.close()
        if self._transport is None:
            self._ours.close()
        else:
            self._transport.close()


async def _read(
    process: asyncio.subprocess.Process, printed: asyncio.StreamReader, errors: asyncio.StreamReader
) -> tuple[bytes, bytes]:
    """Read what a command prints to its end; what it writes to standard error is shown as it comes."""
    said = bytearray()

    async def show(stream: asyncio.StreamReader) -> None:
        while chunk := await stream.read(_CHUNK):
            said.extend(chunk)
            del said[:-_MOST_BYTES]
            _show(chunk)
        if said and not said.endswith(b"\n"):
            _show(b"\n")  # what we may have to say has a line of its own

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(show, errors)
        out = await _bounded(printed)
        if len(out) > _MOST_BYTES:
            tasks.cancel_scope.cancel()
    if len(out) > _MOST_BYTES:
        raise ConfigError(f"exec: the plugin prints more than {_MOST_BYTES:,} bytes, and so no ExecCredential")
    await process.wait()
    return out, bytes(said)


def _show(words: bytes) -> None:
    with suppress(OSError, ValueError, AttributeError):  # our own standard error may be closed, or not be there
        sys.stderr.write(words.decode(errors="replace"))
        sys.stderr.flush()


async def _bounded(stream: asyncio.StreamReader) -> bytes:
    """All that comes, or a little more than the most that is read."""
    found = bytearray()
    while len(found) <= _MOST_BYTES and (chunk := await stream.read(_MOST_BYTES)):
        found.extend(chunk)
    return bytes(found)


async def _end(process: asyncio.subprocess.Process, *, alone: bool) -> None:
    """End a command: with its session, or alone if it is in ours."""
    with anyio.CancelScope(shield=True):
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, PermissionError):
                if alone:
                    process.send_signal(number)
                else:
                    os.killpg(process.pid, number)
            with anyio.move_on_after(_LAST_SECONDS):
                await process.wait()


def _status_of(answer: bytes, api_version: str) -> dict[str, Any]:
    try:
        found = json.loads(answer)
    except ValueError as error:
        raise ConfigError(f"exec: the plugin's output is not JSON: {error}") from error
    status = found.get("status") if isinstance(found, dict) else None
    if not isinstance(status, dict) or found.get("kind") != "ExecCredential":
        raise ConfigError("exec: the plugin's output is no ExecCredential with a status")
    if found.get("apiVersion") != api_version:
        raise ConfigError(f"exec: the plugin speaks {found.get('apiVersion')}, and {api_version} is asked for")
    return status


def _credentials(status: dict[str, Any]) -> dict[str, str]:
    """An ExecCredential's status in a kubeconfig's words."""
    words = {k: status.get(k) or "" for k in ("token", "clientCertificateData", "clientKeyData")}
    if not all(isinstance(word, str) for word in words.values()):
        raise ConfigError("exec: the plugin gave a token or certificate that is not a string")
    found = {"token": words["token"]} if words["token"] else {}
    certificate, key = words["clientCertificateData"], words["clientKeyData"]
    if bool(certificate) != bool(key):
        raise ConfigError("exec: the plugin gave a certificate without its key, or a key without its certificate")
    if certificate:
        for name, text in (("client-certificate-data", certificate), ("client-key-data", key)):
            found[name] = base64.b64encode(text.encode()).decode()
    if not found:
        raise ConfigError("exec: the plugin gave neither a token nor a certificate")
    return found
