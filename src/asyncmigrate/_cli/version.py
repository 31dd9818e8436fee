"""`asyncmigrate version`: our version, and those that a bug report should name."""

from __future__ import annotations

import platform
from importlib import metadata

from asyncmigrate._cli.output_options import Format
from asyncmigrate._output.clean import as_json
from asyncmigrate._output.documents import as_yaml
from asyncmigrate._output.report_json import API_VERSION

_LIBRARIES = ("kubernetes-asyncio", "aiohttp", "anyio")


def version_text(output: Format) -> str:
    ours = metadata.version("asyncmigrate")
    beside = {
        "python": platform.python_version(),
        "platform": f"{platform.system().lower()}/{platform.machine()}",
    } | {name: metadata.version(name) for name in _LIBRARIES}
    if output is Format.TABLE:
        return f"asyncmigrate {ours} ({', '.join(f'{name} {found}' for name, found in beside.items())})"
    document = as_json({"apiVersion": API_VERSION, "kind": "Version", "version": ours, **beside})
    return as_yaml(document) if output is Format.YAML else document
