"""A kopf operator that migrates its own CRD when it starts, before it handles anything.

kopf run examples/kopf_operator.py
"""

from __future__ import annotations

import kopf

from asyncmigrate import Cluster, after_upgrade
from asyncmigrate.errors import BlockedError, IncompleteError, TransportError
from asyncmigrate.events import Event, ObjectFailed

CRD = "widgets.example.com"


@kopf.on.startup()
async def migrate(logger: kopf.Logger, settings: kopf.OperatorSettings, **_: object) -> None:
    """Migrate; what can get better has kopf try again later, what cannot ends the operator."""
    settings.scanning.disabled = True  # it needs no right to watch CRDs and namespaces

    def watch(event: Event) -> None:
        if isinstance(event, ObjectFailed):
            logger.warning("%s: %s", event.failure.name, event.failure.message)

    try:
        async with Cluster.from_kubeconfig() as cluster:
            report = await after_upgrade(cluster, names=CRD, observers=watch)
    except (IncompleteError, TransportError) as error:
        raise kopf.TemporaryError(str(error), delay=30) from error
    except BlockedError as error:
        raise kopf.PermanentError(str(error)) from error
    logger.info("%s: %s objects are in %s", CRD, report.objects.settled, report.crds[0].plan.storage_version)
