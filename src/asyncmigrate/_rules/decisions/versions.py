"""Which version of a CRD to list its objects through, and which to rewrite one through."""

from __future__ import annotations

from asyncmigrate._model import CRD


def access_version(crd: CRD) -> str | None:
    """The version to reach objects through: the storage version, or where that is not served one that is its like.

    Through any other an empty patch is no empty change: a webhook may lose on the way down what it cannot bring up
    again, and a narrower schema prunes what is current. None where there is no such version.
    """
    served = crd.served_versions
    if crd.storage_version in served:
        return crd.storage_version
    return next((v for v in reversed(served) if v in crd.alike), None)


def rewrite_version(crd: CRD, written_as: str) -> str | None:
    """The version to rewrite an object through whose managedFields are in the apiVersion `written_as`.

    Whichever it is, the server stores the object in the storage version. To tell who owns what, it converts what it
    had and what it gets to the version of each managedFields entry: with an object of 2 KB a tenth to a quarter of all
    that a rewrite costs it. Through that version itself it need not. But it checks an object against the schema of the
    version that the request names, and converts it there and back: only a version that is the storage version's like
    (the same schema, no webhook) may stand for it.
    """
    group, _, version = written_as.partition("/")
    fits = group == crd.group and version in crd.alike and version in crd.served_versions
    return version if fits else access_version(crd)


def list_versions(crd: CRD) -> tuple[str, ...]:
    """The versions to list objects through: first that of `access_version`, then those that may need no conversion."""
    first = access_version(crd)
    others = [v for v in crd.served_versions if v != first]
    others.sort(key=lambda v: v not in crd.stored_versions)
    return (first, *others) if first else ()
