"""Shell completion: what each parameter is completed with, and the scripts: click's for shells, an answer for kubectl.

Nothing here raises or prints anything but completions: what cannot be looked up is just not completed.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import click
from click import shell_completion
from click.shell_completion import CompletionItem

from asyncmigrate._cli import options

SHELLS = ("bash", "zsh", "fish")
COMPLETE_VARIABLE = "_ASYNCMIGRATE_COMPLETE"

_LOOK_SECONDS = 5.0  # a guess: somebody waits for it with a finger on Tab
_PAGE_OBJECTS = 500
# cobra's ShellCompDirective, as kubectl reads it from `kubectl_complete-*`: whether files may follow what is listed.
_FILES, _NO_FILES = 0, 4


# What a shell takes as it is, wherever it stands: a cluster or a kubeconfig from elsewhere must not put a command, a
# second candidate or what steers a terminal into the line being typed. zsh expands `=` at the start.
_PLAIN = re.compile(r"[a-zA-Z0-9._/@][a-zA-Z0-9._@:/+,=%-]*")
_DNS_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


class _Taken(click.ParamType[str]):
    """What a parameter takes, to be completed."""

    name = "text"

    def __init__(self, taken: click.ParamType[Any]) -> None:
        self._taken = taken

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401
        return self._taken.convert(value, param, ctx)


class _Completed(_Taken):
    """Completed with what a function finds; names that are no `plain` ones are left out."""

    def __init__(
        self, find: Callable[[click.Context], Iterable[str]], plain: re.Pattern[str], taken: click.ParamType[Any]
    ) -> None:
        super().__init__(taken)
        self._find = find
        self._plain = plain

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        del param
        try:
            names = sorted(name for name in self._find(ctx) if self._plain.fullmatch(name))
            return [CompletionItem(name) for name in names if name.startswith(incomplete)]
        except Exception:  # noqa: BLE001 -- a shell shows whatever is printed in the middle of the line being typed
            return []


class _File(_Taken):
    """Completed with files: not click.Path, which would split `ASYNCMIGRATE_FILENAME` at colons."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        del ctx, param
        return [CompletionItem(incomplete, type="file")]


def complete_types(group: click.Group) -> None:
    """Give the parameters of all commands, by their names, a type that completes them."""
    types: dict[str, Callable[[click.ParamType[Any]], click.ParamType[Any]]] = {
        **dict.fromkeys(
            (
                "contexts_from",
                "events_file",
                "filename",
                "kubeconfig",
                "metrics_file",
                "report",
                "retry_failed",
                "state",
            ),
            _File,
        ),
        "crd": partial(_Completed, _live_names, _DNS_NAME),
        **{one: partial(_Completed, _names_in(section), _PLAIN) for one, section in _SECTIONS.items()},
    }
    for command in group.commands.values():
        for param in command.params:
            if param.name in types:
                param.type = types[param.name](param.type)


_SECTIONS = {"context": "contexts", "canary": "contexts", "cluster": "clusters", "user": "users"}


def _names_in(section: str) -> Callable[[click.Context], Iterable[str]]:
    """The names in a section of the kubeconfig that the command line names."""

    def find(ctx: click.Context) -> Iterable[str]:
        from asyncmigrate._cluster.kubeconfig_files import Source  # noqa: PLC0415 -- for completion alone

        found: Iterable[str] = getattr(Source(ctx.params.get("kubeconfig")).read(), section)
        return found

    return find


def _live_names(ctx: click.Context) -> list[str]:
    """The names of the CRDs on the cluster that the command line names."""
    import asyncio  # noqa: PLC0415 -- for completion alone, as what follows

    import anyio  # noqa: PLC0415

    from asyncmigrate._cli.commands import open_cluster  # noqa: PLC0415
    from asyncmigrate._cluster import kubeconfig  # noqa: F401, PLC0415 -- before the clock runs, for it takes longest
    from asyncmigrate._cluster.calls import Calls  # noqa: PLC0415
    from asyncmigrate._engine.tasks import UnwaitedThreads  # noqa: PLC0415
    from asyncmigrate._model import CRD_GROUP, CRD_RESOURCE, Resource  # noqa: PLC0415

    crds = Resource(group=CRD_GROUP, version="v1", plural=CRD_RESOURCE, namespaced=False)
    found: list[str] = []

    async def look() -> None:
        asyncio.get_running_loop().set_default_executor(UnwaitedThreads())
        with anyio.move_on_after(_LOOK_SECONDS):
            async with open_cluster(options.connection_of(ctx.params)) as cluster:
                calls = Calls(cluster.opened, timeout=_LOOK_SECONDS, emit=lambda _: None)
                token = ""
                while not found or token:
                    page = await calls.list_page(crds, current="", token=token, limit=_PAGE_OBJECTS)
                    found.extend(ref.name for ref in page.items)
                    token = page.continue_token
                    if not token:
                        return

    anyio.run(look)
    named = set(ctx.params.get("crd") or ())
    return [name for name in found if name not in named]


def script(group: click.Group, shell: str) -> str:
    """The completion script of a shell."""
    found = shell_completion.get_completion_class(shell)
    if found is None:  # SHELLS has only those that click has
        raise click.UsageError(f"no completion for {shell}")
    return found(group, {}, "asyncmigrate", COMPLETE_VARIABLE).source()


class _ForKubectl(shell_completion.ShellComplete):
    """What kubectl asks `kubectl_complete-asyncmigrate`: the words are arguments, the last is being typed.

    It prints a line for each completion, with a tab before its description, and a directive at the end, as cobra does:
    see kubectl's plugin_completion.go.
    """

    name = "kubectl"

    def get_completion_args(self) -> tuple[list[str], str]:
        words = sys.argv[1:] or [""]
        return words[:-1], words[-1]

    def format_completion(self, item: CompletionItem[Any]) -> str:
        description = " ".join((item.help or "").split())
        return f"{item.value}\t{description}" if description else str(item.value)

    def complete(self) -> str:
        items = self.get_completions(*self.get_completion_args())
        files = any(item.type in {"file", "dir"} for item in items)
        lines = [self.format_completion(item) for item in items if item.type == "plain"]
        return "\n".join([*lines, f":{_FILES if files else _NO_FILES}"])


def hush() -> None:
    """Let nothing but completions be seen or asked: a credential plugin would print into the line being typed."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 2)


def kubectl_answer(group: click.Group) -> str:
    """What `kubectl_complete-asyncmigrate` prints."""
    hush()
    return _ForKubectl(group, {}, "kubectl asyncmigrate", COMPLETE_VARIABLE).complete()
