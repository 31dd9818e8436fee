"""`python -m bench.picture`: draws docs/demo.svg, README's picture of a run, from the demo itself."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import anyio
from rich.console import Console
from rich.text import Text

from asyncmigrate import Cluster, plan, run
from asyncmigrate._cli import demo
from asyncmigrate._output.consoles import print_lines
from asyncmigrate._output.grid import grid
from asyncmigrate._output.tables import report_sheet, without_routine
from asyncmigrate.testing import ApiServer

WIDTH = 150
PICTURE = Path(__file__).parents[1] / "docs" / "demo.svg"


async def main() -> None:
    console = Console(record=True, width=WIDTH, file=Path("/dev/null").open("w"))  # noqa: ASYNC230, SIM115
    async with ApiServer() as server:
        with tempfile.TemporaryDirectory() as name:
            demo.set_scene(server)
            demo.write_manifests(Path(name) / "crds")
            kubeconfig = server.write_kubeconfig(Path(name) / "kubeconfig")
            async with Cluster.from_kubeconfig(kubeconfig) as cluster:
                made = await plan(cluster, manifests=[Path(name) / "crds"])
                report = await run(cluster, made, settle=0)
    console.print(Text("$ asyncmigrate demo", "bold"))
    sheet = without_routine(report_sheet(report))
    print_lines(console, [*grid(sheet, WIDTH), Text(), *sheet.problems, *sheet.counts])
    console.print(Text(demo.lesson(made), "green"))
    svg = console.export_svg(title="asyncmigrate")
    # The fonts that rich would have a reader's browser fetch: any monospaced one will do.
    PICTURE.write_text(re.sub(r"@font-face \{.*?\}\s*|<!--.*?-->\s*", "", svg, flags=re.DOTALL))


if __name__ == "__main__":
    anyio.run(main)
