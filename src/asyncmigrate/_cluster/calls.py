"""Typed calls to the API server: read CRDs, list pages, rewrite an object, trim storedVersions.

Each call is one request; retries are the engine's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from asyncmigrate._cluster.decode import crds, objects
from asyncmigrate._cluster.error_status import excerpt, foreign, is_answer, read_status, speaks_of_the_path
from asyncmigrate._cluster.transport import OpenCluster, Request, Response
from asyncmigrate._model import (
    CRD,
    CRD_GROUP,
    CRD_RESOURCE,
    CRDGlance,
    CRDPage,
    ManagedFieldsEntry,
    ObjectRef,
    Page,
    Resource,
    Right,
)
from asyncmigrate._rules.errors.causes import is_about
from asyncmigrate.errors import (
    APIError,
    ConflictError,
    ExpiredError,
    ForbiddenError,
    NotFoundError,
    UnauthorizedError,
    WrongAddressError,
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
_ONE = {"Accept": _ONE_OBJECT}
_REWRITE = {"Accept": _ONE_OBJECT, "Content-Type": _MERGE_PATCH}
_MOVE = {"Accept": _ONE_OBJECT, "Content-Type": "application/json-patch+json"}
_TRIM = {"Accept": "application/json", "Content-Type": _MERGE_PATCH}
_REVIEW = {"Accept": "application/json", "Content-Type": "application/json"}
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
# The namespace that every cluster has, and whose uid therefore is what people call the cluster's.
_KUBE_SYSTEM = "/api/v1/namespaces/kube-system"

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

    Attributes:
        clock: the server's.
        sightings: when each CRD was first seen as it is.
        requests: how many were sent.
        contacted: an API server has answered, which a wrong address does not.
    """

    def __init__(self, opened: OpenCluster, *, timeout: float | None, emit: Emit, contacted: bool = False) -> None:
        self._transport = opened.transport
        self._server = opened.server
        self.clock = opened.clock
        self.sightings = opened.sightings
        self._traffic = opened.traffic
        self._timeout = timeout
        self._emit = emit
        self.requests = 0
        self.contacted = contacted

    async def get_crd(self, name: str) -> CRD:
        """Get a CRD; NotFoundError only where a Status says by name that there is none."""
        return self._sighted(crds.crd(await self._get_crd(name, _GET_CRD), name))

    async def get_crd_and_schemas(self, name: str) -> tuple[CRD, crds.Schemas]:
        """The same with the schemas of its versions."""
        crd, schemas = crds.crd_and_schemas(await self._get_crd(name, _GET_CRD), name)
        return self._sighted(crd), schemas

    async def glance(self, name: str, *, within: float | None = None) -> CRDGlance:
        """Get a CRD's metadata alone."""
        return crds.glance(await self._get_crd(name, _ONE, within), name)

    async def _get_crd(self, name: str, headers: Mapping[str, str], within: float | None = None) -> bytes:
        request = Request("GET", f"{_CRDS}/{quote(name, safe='')}", headers)
        try:
            return await self._send(request, f"get CRD {name}", within, crd=name)
        except NotFoundError as error:
            if is_about(error.status, CRD_GROUP, CRD_RESOURCE, name):
                raise
            raise self._wrong_address(request, error) from error

    def _sighted(self, crd: CRD) -> CRD:
        self.sightings.note(crd, time.monotonic())
        return crd

    def _wrong_address(self, request: Request, error: APIError) -> WrongAddressError:
        words = excerpt(error.status.message.encode(), 100)
        return WrongAddressError(
            f"{self._url(request)} answers 404 and names no CRD ({words}): check the server address and its path"
        )

    def _url(self, request: Request) -> str:
        return f"{self._server}{request.target.partition('?')[0]}"

    async def list_crds(self, *, selector: str = "", token: str = "", limit: int = CRD_PAGE_LIMIT) -> CRDPage:
        query = page_query(limit=limit, token=token, labelSelector=selector)
        request = Request("GET", f"{_CRDS}?{query}", _GET_CRD)
        try:
            page = crds.crd_page(await self._send(request, "list CRDs"))
        except NotFoundError as error:
            raise self._wrong_address(request, error) from error
        for crd in page.items:
            self._sighted(crd)
        return page

    async def list_page(
        self,
        resource: Resource,
        *,
        current: str,
        token: str = "",
        limit: int,
        shard: str = "",
        within: float | None = None,
    ) -> Page:
        """List objects' metadata: a page, with the managedFields that are not all in the apiVersion `current`.

        `shard` asks for the objects of one shard; a server that does not know that lists all of them.
        """
        query = page_query(limit=limit, token=token, shardSelector=shard)
        request = Request("GET", f"{resource.path}?{query}", _LIST)
        answer = await self._send(request, f"list {resource.crd}", within, crd=resource.crd)
        return objects.page(answer, current)

    async def list_whole(self, resource: Resource, *, token: str = "", limit: int) -> tuple[list[dict[str, Any]], str]:
        """List objects in full: a page of them, and the continue token."""
        query = page_query(limit=limit, token=token)
        request = Request("GET", f"{resource.path}?{query}", _GET_CRD)
        return objects.whole_objects(await self._send(request, f"read {resource.crd}", crd=resource.crd))

    async def look_at(self, resource: Resource, ref: ObjectRef) -> ObjectRef | None:
        """An object's metadata as it is now, with all its managedFields; None where a Status says that there is none.

        No admission webhook answers a GET, as one may answer a write. A 404 that names no object is a NotFoundError:
        the version is not served.
        """
        body = await self._get_object(resource, ref, _ONE)
        found = None if body is None else objects.object_ref(body)
        return found and msgspec.structs.replace(found, namespace=ref.namespace, name=ref.name)

    async def read(self, resource: Resource, ref: ObjectRef) -> dict[str, Any] | None:
        """The same for an object in full, as it is in the resource's version."""
        body = await self._get_object(resource, ref, _GET_CRD)
        return None if body is None else objects.whole_object(body)

    async def _get_object(self, resource: Resource, ref: ObjectRef, headers: Mapping[str, str]) -> bytes | None:
        request = Request("GET", resource.object_path(ref.namespace, ref.name), headers)
        try:
            return await self._send(request, f"get {resource.crd} {ref}", crd=resource.crd)
        except NotFoundError as error:
            if is_about(error.status, resource.group, resource.plural, ref.name):
                return None
            raise

    async def review(self, right: Right, *, within: float) -> bool:
        """Ask whether we may."""
        attributes = {
            "verb": right.verb,
            "group": right.group,
            "resource": right.resource,
            "subresource": right.subresource,
            "name": right.name,
            "namespace": right.namespace,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {k: v for k, v in attributes.items() if v}},
        }
        request = Request("POST", _REVIEWS, _REVIEW, objects.encode(review))
        return objects.allowed(await self._send(request, "review our rights", within))

    async def cluster_uid(self, *, within: float) -> str:
        """What tells this cluster from others, wherever it is reached: the uid of its namespace kube-system."""
        return objects.namespace_uid(
            await self._send(Request("GET", _KUBE_SYSTEM, _GET_CRD), "get kube-system", within)
        )

    async def rewrite(self, resource: Resource, ref: ObjectRef, *, dry_run: bool, within: float | None = None) -> str:
        """Send an empty merge patch: the server encodes its newest state of the object anew.

        `within` bounds this request, in seconds, where it has less time than others.

        Returns:
            The resource version after it. The listed one means that nothing had to be written.
        """
        target = resource.object_path(ref.namespace, ref.name)
        request = Request("PATCH", f"{target}{_DRY_RUN if dry_run else ''}", _REWRITE, b"{}")
        answer = await self._send(request, f"rewrite {resource.crd} {ref}", within, crd=resource.crd)
        return objects.resource_version(answer)

    async def write_entries(
        self, resource: Resource, ref: ObjectRef, entries: Iterable[ManagedFieldsEntry] | None, *, dry_run: bool
    ) -> ObjectRef:
        """Rewrite an object and replace its managedFields, or with None only the former.

        It must be the object that `ref` shows, at that resource version: 409 where it is at another, 422 where it is
        another of the same name.

        Returns:
            Its metadata after it, with all of its managedFields.
        """
        patch: list[dict[str, object]] = [{"op": "test", "path": "/metadata/uid", "value": ref.uid}]
        if entries is not None:
            patch.append({"op": "replace", "path": "/metadata/managedFields", "value": tuple(entries)})
        patch.append({"op": "replace", "path": "/metadata/resourceVersion", "value": ref.resource_version})
        target = resource.object_path(ref.namespace, ref.name)
        body = msgspec.json.encode(patch)
        request = Request("PATCH", f"{target}{_DRY_RUN if dry_run else ''}", _MOVE, body)
        answer = await self._send(request, f"rewrite {resource.crd} {ref}", crd=resource.crd)
        return objects.object_ref(answer)

    async def get(self, target: str, doing: str, *, accept: str = "application/json") -> bytes:
        """Get what another module has a decoder for."""
        return await self._send(Request("GET", target, {"Accept": accept}), doing)

    async def send(self, request: Request, doing: str, *, within: float | None = None, crd: str = "") -> bytes:
        """Send what another module makes and reads."""
        return await self._send(request, doing, within, crd=crd)

    async def minor_version(self) -> int:
        """The server's minor version: 37 for Kubernetes v1.37.2."""
        return objects.minor_version(await self._send(Request("GET", "/version", _GET_CRD), "get the server's version"))

    async def trim(self, crd: CRD, storage_version: str, *, dry_run: bool) -> CRD:
        """Write `status.storedVersions`; 409 where the CRD is another, or at another resource version, than `crd`."""
        patch = {
            "metadata": {"uid": crd.uid, "resourceVersion": crd.resource_version},
            "status": {"storedVersions": [storage_version]},
        }
        target = f"{_CRDS}/{quote(crd.name, safe='')}/status"
        request = Request("PATCH", f"{target}{_DRY_RUN if dry_run else ''}", _TRIM, objects.encode(patch))
        answer = await self._send(request, f"trim storedVersions of CRD {crd.name}", crd=crd.name)
        return crds.crd(answer, crd.name)

    async def _send(self, request: Request, doing: str, within: float | None = None, *, crd: str = "") -> bytes:
        response = await self._exchange(request, within, crd)
        self._check_origin(request, response)
        if response.status in _OK:
            self.contacted = True
            self.clock.note(response.headers)
            return response.body
        raise self._error(response, doing)

    def _check_origin(self, request: Request, response: Response) -> None:
        """Refuse what is no API server's answer; of the first good one all of it is looked at."""
        what = foreign(response.status, response.headers, response.body)
        may_be_elsewhere = response.status in _OK or speaks_of_the_path(response.status)
        # What a plain 404 means each call knows by itself.
        is_first = not self.contacted and may_be_elsewhere and response.status != HTTPStatus.NOT_FOUND
        if what is None and is_first and not is_answer(response.body):
            what = f"with something else than Kubernetes' JSON ({excerpt(response.body, 60) or 'nothing'})"
        if what is not None:
            raise WrongAddressError(
                f"{self._url(request)} answers {response.status} {what}, which no API server does: "
                "check the server address and its path"
            )

    def _error(self, response: Response, doing: str) -> APIError:
        status = read_status(response.status, response.headers, response.body, now=time.time())
        # An ingress or a wrong path answers with a 404 of its own.
        self.contacted = self.contacted or status.is_whole or status.code != HTTPStatus.NOT_FOUND
        return _ERRORS.get(status.code, APIError)(status, doing=doing)

    async def _exchange(self, request: Request, within: float | None, crd: str) -> Response:
        self.requests += 1
        began = time.perf_counter()
        status = 0
        self._traffic.in_flight += 1
        try:
            response = await self._transport.send(request, within=_sooner(self._timeout, within))
            status = response.status
        finally:
            self._traffic.in_flight -= 1
            self._emit(RequestSent(request.method, request.target, status, time.perf_counter() - began, crd))
        return response


def _sooner(a: float | None, b: float | None) -> float | None:
    return min(a, b) if a is not None and b is not None else a if b is None else b


def page_query(*, limit: int, token: str, **others: str) -> str:
    """The query that asks for one page of a list; an empty token, for the first one, is left out."""
    pairs = {"limit": limit, "continue": token, **others}
    return urlencode({k: v for k, v in pairs.items() if v})
