"""`asyncmigrate droppable`: looks, prints, and exits with 0 only if all that was asked about can be dropped."""

from __future__ import annotations

import sys

import click

from asyncmigrate._cli.commands import OutputOptions, guarded, open_cluster
from asyncmigrate._cli.exits import Exit
from asyncmigrate._cli.options import Connection, DropOptions
from asyncmigrate._engine.droppable import droppable
from asyncmigrate._manifests.given import Place
from asyncmigrate._observers.looking import Looking
from asyncmigrate._output.droppable import droppable_json, droppable_text
from asyncmigrate._output.tables import console_for


def droppable_command(connection: Connection, drop: DropOptions, show: OutputOptions) -> Exit:
    async def body() -> Exit:
        async with open_cluster(connection) as cluster:
            with show.display() if show.verbose else Looking(console_for(sys.stderr)) as display:
                found = await droppable(
                    cluster,
                    drop.name,
                    version=drop.version,
                    owners=drop.owners,
                    manifests=[Place(f) for f in drop.files] or None,
                    recursive=drop.recursive,
                    observers=[display],
                )
        if show.output == "json":
            click.echo(droppable_json(found))
        else:
            console_for(sys.stdout).print(droppable_text(found), soft_wrap=True)
        return Exit.OK if found.droppable else Exit.FAILED

    return guarded(body, advice="nothing is known, and nothing was changed")
