"""Typed calls to the API server: read CRDs, list pages, rewrite an object, trim storedVersions.

Each call is one request; retries are the engine's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import quote, urlencode

from asyncmigrate._cluster import decode
from asyncmigrate._cluster.transport import Request, Response, Transport
from asyncmigrate._model import CRD, CRD_GROUP, CRD_RESOURCE, CRDPage, ObjectRef, Page, Resource
from asyncmigrate.errors import (
    APIError,
    BadAnswerError,
    ConflictError,
    ExpiredError,
    ForbiddenError,
    NotFoundError,
    UnauthorizedError,
)
from asyncmigrate.events import RequestSent

Emit = Callable[[RequestSent], None]

_CRDS = f"/apis/{CRD_GROUP}/v1/{CRD_RESOURCE}"
_ONE_OBJECT = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
_MANY_OBJECTS = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
_DRY_RUN = "?dryRun=All"
_MERGE_PATCH = "application/merge-patch+json"

_GET_CRD = {"Accept": "application/json"}
_LIST = {"Accept": _MANY_OBJECTS}
_REWRITE = {"Accept": _ONE_OBJECT, "Content-Type": _MERGE_PATCH}
_TRIM = {"Accept": "application/json", "Content-Type": _MERGE_PATCH}

_OK = range(200, 300)
_ERRORS: dict[int, type[APIError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: ExpiredError,
}

# A live CRD is some 50 KB of JSON, nearly all of it schema: small pages keep memory flat on a cluster with thousands.
CRD_PAGE_LIMIT = 50


class Calls:
    """What the engine asks of one API server.

    Every method raises APIError for an answer that says no, and TransportError where no (usable) answer came.
    """

    def __init__(self, transport: Transport, *, timeout: float | None, emit: Emit, contacted: bool = False) -> None:
        self._transport = transport
        self._timeout = timeout
        self._emit = emit
        self.requests = 0
        self.contacted = contacted

    async def get_crd(self, name: str) -> CRD:
        request = Request("GET", f"{_CRDS}/{quote(name, safe='')}", _GET_CRD)
        return decode.crd(await self._send(request, f"get CRD {name}"))

    async def list_crds(self, *, selector: str = "", token: str = "", limit: int = CRD_PAGE_LIMIT) -> CRDPage:
        query = _query(limit=limit, continue_=token, labelSelector=selector)
        return decode.crd_page(await self._send(Request("GET", f"{_CRDS}?{query}", _GET_CRD), "list CRDs"))

    async def list_page(self, resource: Resource, *, token: str, limit: int) -> Page:
        query = _query(limit=limit, continue_=token)
        request = Request("GET", f"{resource.path}?{query}", _LIST)
        return decode.page(await self._send(request, f"list {resource.plural}.{resource.group}"))

    async def rewrite(self, resource: Resource, ref: ObjectRef, *, dry_run: bool) -> str:
        """Send an empty merge patch: the server encodes its newest state of the object anew.

        Returns:
            The resource version after it. The listed one means that nothing had to be written.
        """
        target = resource.object_path(ref.namespace, ref.name)
        request = Request("PATCH", f"{target}{_DRY_RUN if dry_run else ''}", _REWRITE, b"{}")
        return decode.resource_version(await self._send(request, f"rewrite {resource.plural}.{resource.group} {ref}"))

    async def trim(self, crd: CRD, storage_version: str, *, dry_run: bool) -> CRD:
        """Write `status.storedVersions`; 409 where the CRD is another, or at another resource version, than `crd`."""
        patch = {
            "metadata": {"uid": crd.uid, "resourceVersion": crd.resource_version},
            "status": {"storedVersions": [storage_version]},
        }
        target = f"{_CRDS}/{quote(crd.name, safe='')}/status"
        request = Request("PATCH", f"{target}{_DRY_RUN if dry_run else ''}", _TRIM, decode.encode(patch))
        return decode.crd(await self._send(request, f"trim storedVersions of CRD {crd.name}"))

    async def _send(self, request: Request, doing: str) -> bytes:
        response = await self._exchange(request)
        if response.status in _OK:
            return response.body
        raise _error(response, doing)

    async def _exchange(self, request: Request) -> Response:
        self.requests += 1
        began = time.perf_counter()
        status = 0
        try:
            response = await self._transport.send(request, within=self._timeout)
            status = response.status
        except BadAnswerError:
            self.contacted = True
            raise
        finally:
            self._emit(RequestSent(request.method, request.target, status, time.perf_counter() - began))
        self.contacted = True
        return response


def _error(response: Response, doing: str) -> APIError:
    status = decode.status(response.status, response.headers, response.body, now=time.time())
    return _ERRORS.get(status.code, APIError)(status, doing=doing)


def _query(*, limit: int, continue_: str, **others: str) -> str:
    pairs = {"limit": limit, "continue": continue_, **others}
    return urlencode({k: v for k, v in pairs.items() if v})
