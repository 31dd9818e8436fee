"""`asyncmigrate droppable`: looks, prints, and exits with 0 only if all that was asked about can be dropped."""

from __future__ import annotations

from asyncmigrate._cli.commands import open_cluster
from asyncmigrate._cli.exits import Exit
from asyncmigrate._cli.guard import guarded
from asyncmigrate._cli.options import Connection, DropOptions
from asyncmigrate._cli.show import Show
from asyncmigrate._engine.droppable import droppable
from asyncmigrate._manifests.given import Place


def droppable_command(connection: Connection, drop: DropOptions, show: Show) -> Exit:
    async def body() -> Exit:
        async with open_cluster(connection) as cluster:
            with show.looking(cluster) as display:
                found = await droppable(
                    cluster,
                    drop.name,
                    version=drop.version,
                    owners=drop.owners,
                    manifests=[Place(f) for f in drop.files] or None,
                    recursive=drop.recursive,
                    observers=[display],
                )
        show.result(found)
        return Exit.OK if found.droppable else Exit.FAILED

    return guarded(body, show, advice="nothing is known, and nothing was changed")
