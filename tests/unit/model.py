"""A cluster with one CRD, small enough to be judged after each request, and as ill-behaved as a test likes."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from asyncmigrate import Request, Response
from asyncmigrate.errors import ConnectionLostError

NAME = "widgets.example.com"
PAGE = 3  # objects on a page at most, so that a few objects make several


class Model:
    """A Transport to that cluster. Each request takes the next of `happenings`, and when they are spent all goes well.

    `wrongly_trimmed` becomes true when storedVersions is narrowed while an object is stored in a version left out.
    """

    def __init__(self, objects: int, happenings: Iterator[str]) -> None:
        self._happenings = happenings
        self.revision = 10
        self.storage = "v2"
        self.generation = 2
        self.stored_versions = ["v1", "v2"]
        self.crd_version = 9
        self.objects = {f"w-{n}": ("v1", n + 1) for n in range(objects)}
        self.named = objects
        self.webhook = False
        self.changes = 0
        self.wrongly_trimmed = False
        self.compacted = 0
        self._saved: dict[str, Any] | None = None

    async def send(self, request: Request, *, within: float | None) -> Response:
        del within
        happening = next(self._happenings, "well")
        self._between(happening)
        if happening in {"429", "500", "503", "504"}:
            return Response(int(happening), {}, b"busy")
        if happening in {"lost before", "restored"}:
            raise ConnectionLostError("the connection was lost")
        code, body = self._answer(request, happening)
        if happening == "lost after":
            raise ConnectionLostError("the connection was lost")
        if happening == "garbage":
            return Response(200, {}, b'{"kind": "Partial')
        return Response(code, {}, json.dumps(body).encode())

    async def aclose(self) -> None:
        pass

    def _next(self) -> int:
        self.revision += 1
        return self.revision

    def _between(self, happening: str) -> None:
        """What others do while our request is on its way."""
        names = sorted(self.objects)
        match happening:
            case "created":
                self.objects[f"w-{self.named}"] = (self.storage, self._next())
                self.named += 1
            case "deleted" if names:
                del self.objects[names[0]]
                self._next()
            case "changed" if names:
                self.objects[names[-1]] = (self.storage, self._next())
            case "status written":
                self.crd_version = self._next()
            case "storage moved away":
                self._move("v1" if self.storage == "v2" else "v2")
            case "storage moved there and back":
                # Objects written in between are stored in the other version.
                home, away = self.storage, "v1" if self.storage == "v2" else "v2"
                self._move(away)
                for name in names[::2]:
                    self.objects[name] = (away, self._next())
                self._move(home)
            case _:
                self._disturb(happening)

    def _disturb(self, happening: str) -> None:
        """What happens to the CRD and to the store as a whole."""
        match happening:
            case "compacted":
                self.compacted = self.revision + 1
            case "conversion changed":
                self.webhook = not self.webhook
                self._change()
            case "spec changed":
                self._change()
            case "saved":
                self._saved = copy.deepcopy({k: v for k, v in vars(self).items() if k in _RESTORED})
            case "restored" if self._saved is not None:
                vars(self).update(copy.deepcopy(self._saved))

    def _move(self, version: str) -> None:
        self.storage = version
        self._change()
        if version not in self.stored_versions:
            self.stored_versions.append(version)

    def _change(self) -> None:
        self.generation += 1
        self.changes += 1
        self.crd_version = self._next()

    def _answer(self, request: Request, happening: str) -> tuple[int, dict[str, Any]]:
        parts = urlsplit(request.target)
        query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        if parts.path.endswith("/selfsubjectaccessreviews"):
            return 201, {"kind": "SelfSubjectAccessReview", "status": {"allowed": True}}
        if parts.path.endswith("/kube-system"):
            return 200, {"kind": "Namespace", "metadata": {"name": "kube-system", "uid": "k"}}
        if parts.path.endswith(f"/{NAME}/status"):
            return self._trim(json.loads(request.body), happening)
        if parts.path.endswith(NAME):
            if happening == "wrong address":
                return 404, _status(404, "NotFound")
            metadata_only = "PartialObjectMetadata" in request.headers.get("Accept", "")
            return 200, self._crd() | ({"kind": "PartialObjectMetadata"} if metadata_only else {})
        if not re.match(r"/apis/example\.com/v[12]/(namespaces/[^/]+/)?widgets(/|$)", parts.path):
            return 404, _status(404, "NotFound")
        name = parts.path.rpartition("/")[2]
        if request.method == "GET":
            return self._page(query) if "limit" in query else self._get(name)
        return self._rewrite(name, happening)

    def _crd(self) -> dict[str, Any]:
        return {
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": NAME,
                "uid": "u",
                "resourceVersion": str(self.crd_version),
                "generation": self.generation,
                "managedFields": [
                    {
                        "time": f"2026-01-01T00:{self.changes // 60:02}:{self.changes % 60:02}Z",
                        "fieldsV1": {"f:spec": {"f:versions": {}}},
                    }
                ],
            },
            "spec": {
                "group": "example.com",
                "names": {"plural": "widgets", "kind": "Widget"},
                "scope": "Namespaced",
                "conversion": {"strategy": "Webhook" if self.webhook else "None"},
                "versions": [{"name": v, "served": True, "storage": v == self.storage} for v in ("v1", "v2")],
            },
            "status": {"storedVersions": self.stored_versions},
        }

    def _page(self, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        revision, _, after = query.get("continue", f"{self.revision}/").partition("/")
        if int(revision) < self.compacted:
            expired = _status(410, "Expired")
            return 410, expired | {"metadata": {"continue": f"{self.revision}/{after}"}}
        names = [n for n in sorted(self.objects) if n > after]
        shown = names[: min(PAGE, int(query["limit"]))]
        meta = {"resourceVersion": revision} | (
            {"continue": f"{revision}/{shown[-1]}"} if len(names) > len(shown) else {}
        )
        items = [{"metadata": self._meta(n)} for n in shown]
        return 200, {"kind": "PartialObjectMetadataList", "metadata": meta, "items": items or None}

    def _get(self, name: str) -> tuple[int, dict[str, Any]]:
        if name not in self.objects:
            return 404, _missing(name)
        return 200, {"kind": "PartialObjectMetadata", "metadata": self._meta(name)}

    def _meta(self, name: str) -> dict[str, str]:
        version = str(self.objects[name][1])
        return {"namespace": "default", "name": name, "uid": f"uid-{name}", "resourceVersion": version}

    def _rewrite(self, name: str, happening: str) -> tuple[int, dict[str, Any]]:
        if happening == "conflict":
            return 409, _status(409, "Conflict")
        if happening == "denied":
            return 422, _status(422, "Invalid")
        if happening == "version not served":
            return 404, _status(404, "NotFound")
        if happening == "denied with 404" or name not in self.objects:
            return 404, _missing(name)
        version, revision = self.objects[name]
        if version != self.storage:
            self.objects[name] = self.storage, self._next()
            revision = self.revision
        meta = {"name": name, "namespace": "default", "resourceVersion": str(revision)}
        return 200, {"kind": "PartialObjectMetadata", "metadata": meta}

    def _trim(self, patch: dict[str, Any], happening: str) -> tuple[int, dict[str, Any]]:
        if happening == "conflict" or patch["metadata"]["resourceVersion"] != str(self.crd_version):
            return 409, _status(409, "Conflict")
        self.stored_versions = patch["status"]["storedVersions"]
        self.crd_version = self._next()
        if any(version not in self.stored_versions for version, _ in self.objects.values()):
            self.wrongly_trimmed = True
        return 200, self._crd()


# What a backup brings back: all that is in etcd.
_RESTORED = frozenset(
    {
        "revision",
        "storage",
        "generation",
        "stored_versions",
        "crd_version",
        "objects",
        "webhook",
    }
)


def _missing(name: str) -> dict[str, Any]:
    return _status(404, "NotFound") | {"details": {"name": name, "kind": "widgets", "group": "example.com"}}


def _status(code: int, reason: str) -> dict[str, Any]:
    return {"kind": "Status", "code": code, "reason": reason, "message": reason}
