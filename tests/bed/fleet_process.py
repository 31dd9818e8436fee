"""Ten stale embedded clusters, in a process of their own: `python -m tests.bed.fleet_process FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from tests.bed.fleet import open_fleet
from tests.bed.scenes import crd

CLUSTERS, CRDS, OBJECTS = 10, 100, 200


async def serve(folder: Path) -> None:
    async with open_fleet((f"c-{n}" for n in range(CLUSTERS)), objects=OBJECTS) as fleet:
        for server in fleet.servers.values():
            for number in range(CRDS):
                server.apply_crd(crd("example.com", "v1", "v1", plural=f"gadgets{number}"))
        fleet.kubeconfig(folder)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(serve, Path(sys.argv[1]))
