"""An admission webhook: a TLS server of the test's own on loopback, with an answer for each object's name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from itertools import count

import anyio
import msgspec
from aiohttp import web

from tests.bed.bed import Bed
from tests.bed.scenes import Manifest
from tests.bed.webhook import hang_up, serve_tls

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
_probes = count(1)


class Answer(msgspec.Struct, kw_only=True):
    """What an object's requests are answered: a wait if any, then a denial with `deny` as its Status, or consent.

    `arrived` is set when a request has come; with `until` the answer waits for that event. `times` says for how many
    requests the answer holds, None for all; the others are let through.
    """

    seconds: float = 0.0
    until: anyio.Event | None = None
    deny: Manifest | None = None
    hang_up: bool = False
    times: int | None = None
    arrived: anyio.Event = msgspec.field(default_factory=anyio.Event)


class AdmissionWebhook:
    """Lets everything through, unless told otherwise for an object's name; `reviews` keeps what it was asked."""

    def __init__(self) -> None:
        self.reviews: list[Manifest] = []
        self.client_config: Manifest = {}
        self._answers: dict[str, Answer] = {}

    def answer(
        self,
        name: str,
        *,
        seconds: float = 0.0,
        until: anyio.Event | None = None,
        deny: Manifest | None = None,
        hang_up: bool = False,
        times: int | None = None,
    ) -> Answer:
        """Say how requests for an object are answered from now on."""
        self._answers[name] = Answer(seconds=seconds, until=until, deny=deny, hang_up=hang_up, times=times)
        return self._answers[name]

    def asked(self, name: str) -> list[str]:
        """The operations on an object that it was asked about."""
        return [r["operation"] for r in self.reviews if r.get("name") == name]

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        review = await request.json()
        asked = review["request"]
        self.reviews.append(asked)
        answer = self._take(asked.get("name", ""))
        answer.arrived.set()
        await anyio.sleep(answer.seconds)
        if answer.until is not None:
            await answer.until.wait()
        if answer.hang_up:
            hang_up(request)
        response = {"uid": asked["uid"], "allowed": answer.deny is None}
        if answer.deny is not None:
            response["status"] = answer.deny
        return web.json_response({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response})

    def _take(self, name: str) -> Answer:
        answer = self._answers.get(name, Answer())
        if answer.times is None:
            return answer
        if answer.times == 0:
            return Answer()
        answer.times -= 1
        return answer


@asynccontextmanager
async def open_admission_webhook() -> AsyncIterator[AdmissionWebhook]:
    hook = AdmissionWebhook()
    async with serve_tls(hook.serve, "/admit") as hook.client_config:
        yield hook


async def register(
    bed: Bed,
    manifest: Manifest,
    webhook: AdmissionWebhook,
    *,
    name: str = "",
    versions: Collection[str] = ("*",),
    operations: Collection[str] = ("CREATE", "UPDATE"),
    seconds: int = 10,
    fails: bool = True,
) -> str:
    """Have the server ask the webhook about a CRD's objects; returns the webhook's name once the server does.

    `versions` and `operations` (CREATE among them: it is probed for) are the rule's, `seconds` its timeout. With
    `fails` unset the failure policy is Ignore. The configuration goes when the bed is cleaned up.
    """
    plural, group = manifest["spec"]["names"]["plural"], manifest["spec"]["group"]
    rule = {
        "apiGroups": [group],
        "apiVersions": list(versions),
        "operations": list(operations),
        "resources": [plural, f"{plural}/*"],
    }
    hook = {
        "name": name or f"policy.{group}",
        "clientConfig": webhook.client_config,
        "rules": [rule],
        "timeoutSeconds": seconds,
        "failurePolicy": "Fail" if fails else "Ignore",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    bed.leftovers.append(f"{CONFIGURATIONS}/{hook['name']}")
    made = await bed.http.post(CONFIGURATIONS, json={"metadata": {"name": hook["name"]}, "webhooks": [hook]})
    made.raise_for_status()
    await _until_asked(bed, manifest, webhook)
    return str(hook["name"])


async def _until_asked(bed: Bed, manifest: Manifest, webhook: AdmissionWebhook) -> None:
    """Write as a rehearsal until the webhook is asked: a server takes configurations up through its own watch."""
    spec = manifest["spec"]
    version = next(v["name"] for v in spec["versions"] if v["served"])
    namespace = "default" if spec["scope"] == "Namespaced" else ""
    probe = f"probe-{next(_probes)}"
    body = {"apiVersion": f"{spec['group']}/{version}", "kind": spec["names"]["kind"], "metadata": {"name": probe}}
    with anyio.fail_after(30):
        while not webhook.asked(probe):
            await bed.http.post(f"{bed.path(manifest, version, namespace)}?dryRun=All", json=body)
            await anyio.sleep(0.02)
