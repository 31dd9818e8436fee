"""What the rest of the package speaks of: a CRD, the resource it serves, an object's name, a page, a Status."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote

import msgspec

CRD_GROUP = "apiextensions.k8s.io"
CRD_RESOURCE = "customresourcedefinitions"

# Nothing is nameless; an empty name in a path would ask for the whole collection.
Name = Annotated[str, msgspec.Meta(min_length=1)]


class Version(msgspec.Struct, frozen=True):
    """One entry of a CRD's `spec.versions`."""

    name: Name
    served: bool = True
    storage: bool = False


class CRD(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The few fields of a CustomResourceDefinition that a migration needs, from a manifest or from the server.

    A manifest has only `name` to `versions`, `labels` and `webhook`.

    Attributes:
        uid, resource_version, generation, labels: of its metadata.
        terminating: it is being deleted.
        webhook: `spec.conversion.strategy` is Webhook.
        not_accepted: why the server has never served it, in the words of its condition NamesAccepted: another CRD has
            one of its names; empty if it serves it, or says nothing of it.
        migrating: Kubernetes' own StorageVersionMigration is at work on it (its condition StorageMigrating is True).
        changed: the newest time in the managedFields of its writers, those of its status left out; empty where there
            are none. Its spec has not changed since.
        moved: the time of the entry that owns `spec.versions`; empty where none does. Its storage version has not moved
            since. A client may have sent the time.
        stamped: the newest time of all entries.
        alike: the versions that may stand for the storage version: the same schema, byte for byte, and no webhook.
        same_schemas: all versions have the same schema.
        pruned: the fields that objects in an old stored version may have and that rewriting them would remove, as the
            storage version's schema lacks them; only where no webhook converts.
    """

    name: str
    group: str
    plural: str
    kind: str
    scope: Literal["Namespaced", "Cluster"] = "Namespaced"
    versions: tuple[Version, ...] = ()
    stored_versions: tuple[str, ...] = ()
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    terminating: bool = False
    labels: dict[str, str] = {}
    webhook: bool = False
    not_accepted: str = ""
    migrating: bool = False
    changed: str = ""
    moved: str = ""
    stamped: str = ""
    alike: tuple[str, ...] = ()
    same_schemas: bool = True
    pruned: tuple[str, ...] = ()

    @property
    def storage_versions(self) -> tuple[str, ...]:
        """The versions marked as storage: exactly one in a CRD that a server has accepted."""
        return tuple(v.name for v in self.versions if v.storage)

    @property
    def storage_version(self) -> str | None:
        return next(iter(self.storage_versions), None)

    @property
    def served_versions(self) -> tuple[str, ...]:
        return tuple(v.name for v in self.versions if v.served)

    def has_version(self, name: str) -> bool:
        """Tell whether `spec.versions` has it, served or not."""
        return any(v.name == name for v in self.versions)

    @property
    def storage_api_version(self) -> str:
        """The apiVersion of the storage version: `group/version`."""
        return f"{self.group}/{self.storage_version}"

    @property
    def domain(self) -> str:
        """The last two labels of its group: one operator's CRDs mostly share them, and often their webhook too."""
        return ".".join(self.group.rsplit(".", 2)[-2:])

    def resource(self, version: str) -> Resource:
        return Resource(group=self.group, version=version, plural=self.plural, namespaced=self.scope == "Namespaced")


class Resource(msgspec.Struct, frozen=True):
    """A group/version/resource as one endpoint serves it."""

    group: str
    version: str
    plural: str
    namespaced: bool

    @property
    def crd(self) -> str:
        """The name of its CRD, if it is of one: `<plural>.<group>`."""
        return f"{self.plural}.{self.group}"

    @property
    def path(self) -> str:
        """The collection's path over all namespaces."""
        return f"/apis/{self.group}/{self.version}/{self.plural}"

    def object_path(self, namespace: str, name: str) -> str:
        """One object's path; names are percent-encoded, for CRs may be named more freely than most objects."""
        where = f"namespaces/{quote(namespace, safe='')}/" if self.namespaced else ""
        return f"/apis/{self.group}/{self.version}/{where}{self.plural}/{quote(name, safe='')}"


class ManagedFieldsEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One entry of an object's metadata.managedFields: who owns which fields, as seen in which version.

    `fields_v1` is JSON as it came. `time` is empty where the entry has none.
    """

    manager: str = ""
    operation: str = ""
    api_version: str = ""
    time: str = ""
    fields_type: str = ""
    fields_v1: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"{}"), name="fieldsV1")
    subresource: str = ""


class Writer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who has written objects of a CRD, and through which version: from their managedFields.

    Attributes:
        manager: the field manager's name; empty for all those that are too many to name.
        api_version: the apiVersion of its entries.
        objects: how many objects have such an entry.
        newest: the newest time of these entries, RFC 3339; empty where they have none. A client may send any time.
    """

    manager: str
    api_version: str
    objects: int
    newest: str = ""


class ObjectRef(msgspec.Struct, frozen=True):
    """One object as a list showed it.

    `namespace` is empty for cluster-scoped objects; `stamped` is the newest time in the object's managedFields and
    `written_as` the apiVersion that most of them are in, both empty where there are none. `entries` are its
    managedFields; a list keeps them only if any is in another apiVersion than that of the storage version.
    """

    namespace: str
    name: str
    resource_version: str = ""
    stamped: str = ""
    written_as: str = ""
    uid: str = ""
    entries: tuple[ManagedFieldsEntry, ...] = ()

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Page(msgspec.Struct, frozen=True):
    """One page of a list. `continue_token` is empty on the last; `remaining` is None where the server does not say.

    `resource_version` is the moment that the list as a whole shows. `writers` are those of its objects.
    """

    items: tuple[ObjectRef, ...]
    continue_token: str = ""
    remaining: int | None = None
    resource_version: str = ""
    writers: tuple[Writer, ...] = ()


class Right(msgspec.Struct, frozen=True, kw_only=True):
    """What a SelfSubjectAccessReview asks about; an empty `name` or `namespace` means every one."""

    verb: str
    group: str
    resource: str
    subresource: str = ""
    name: str = ""
    namespace: str = ""


class CRDGlance(msgspec.Struct, frozen=True, kw_only=True):
    """What tells that a CRD has changed: its generation rises with each change of its spec."""

    uid: str
    generation: int
    resource_version: str


class CRDPage(msgspec.Struct, frozen=True):
    """One page of the live CRDs; `remaining` come after it, None where the server does not say."""

    items: tuple[CRD, ...]
    continue_token: str = ""
    remaining: int | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Kubernetes' Status, or what stands for it where a proxy or a priority level answered without one.

    `reason` is Kubernetes' CamelCase reason; where the body had none it is made from the code. `retry_after` is in
    seconds, None where the server named none. `details_name`, `details_kind` (a plural, as a rule) and `details_group`
    say what the Status is about; `is_whole` is false where the answer held no Status; `continue_token` is the
    inconsistent token that comes with a 410 on a list.
    """

    code: int
    reason: str
    message: str
    retry_after: float | None = None
    details_name: str = ""
    details_kind: str = ""
    details_group: str = ""
    is_whole: bool = True
    continue_token: str = ""
