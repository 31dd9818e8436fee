"""An async tool that has a kubernetes_asyncio ApiClient already: it migrates what a release needs, and says how.

python examples/async_tool.py crds/
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from kubernetes_asyncio.client import ApiClient
from kubernetes_asyncio.config import load_kube_config

from asyncmigrate import Cluster, before_upgrade
from asyncmigrate.errors import BlockedError, IncompleteError
from asyncmigrate.events import CRDFinished, Event


def watch(event: Event) -> None:
    """Say what became of each CRD, as soon as it is known."""
    if isinstance(event, CRDFinished):
        print(f"{event.report.name}: {event.report.outcome}")


async def main(folder: Path) -> int:
    """Migrate through the client's own connections."""
    await load_kube_config()
    async with ApiClient() as api_client, Cluster.from_api_client(api_client) as cluster:
        try:
            report = await before_upgrade(cluster, folder, recursive=True, observers=watch)
        except BlockedError as error:
            print(f"nothing was written. {error}")
            return 3
        except IncompleteError as error:
            print(error.report.render())
            return 1
    print(f"{report.objects.settled} objects are in their storage version")
    return 0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(asyncio.run(main(Path(sys.argv[1]))))
