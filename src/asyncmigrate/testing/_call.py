"""One request, as the verbs see it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from asyncmigrate.testing._managed import Writer
from asyncmigrate.testing._state import Collection


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request, parsed: which object (or all) of a collection, with what query, body and manager."""

    collection: Collection
    namespace: str
    name: str
    subresource: str
    query: Mapping[str, str]
    accept: str = ""
    manager: str = "unknown"
    user: str = ""

    @property
    def dry_run(self) -> bool:
        return self.query.get("dryRun") == "All"

    @property
    def key(self) -> str:
        return self.collection.key(self.namespace, self.name)

    def writer(self, at: str) -> Writer:
        return Writer(self.manager, self.collection.api_version, self.subresource, at)
