"""`plan` on a cluster with many large CRDs: memory, and what the server has to send."""

from __future__ import annotations

from pathlib import Path

import msgspec
import yaml12
from tests.bed.bed import CRDS

from bench import manifests, peers
from bench.measure import command, side
from bench.real import RealScene, real
from bench.requests import Sent, write_requests
from bench.results import Results, at_most, number

FEW = 10


async def measure(results: Results, folder: Path, *, quick: bool) -> None:
    many = 30 if quick else 300
    source = manifests.texts()
    peaks = {}
    async with real(folder) as scene:
        for count in (FEW, many):
            print(f"  {count} CRDs", flush=True)
            while len(scene.bed.made) < count:
                await add(scene, next(source)[1])
            with peers.proxy(scene.url) as proxy:
                taken = command("plan", "--kubeconfig", scene.kubeconfig(proxy.address), "-o", "json")
            if len(msgspec.json.decode(taken.out)["crds"]) != count:
                raise RuntimeError("not as it was set up")
            peaks[count] = taken.peak
            ours = proxy.received
        with peers.proxy(scene.url) as proxy:
            pages = await list_alone(scene)
            side("bare", scene.kubeconfig(proxy.address), write_requests(folder / "pages", pages), "--workers", 1)
    what = f"`plan` with {many} live CRDs"
    grown = peaks[many] - peaks[FEW]
    note = f"{peaks[FEW]:.0f} MB with {FEW}, {peaks[many]:.0f} MB with {many}"
    results.add(at_most(15, f"{what}, peak memory, MB more", f"with {FEW}", [grown], note))
    note = f"{number(ours / 1000)} KB, {number(proxy.received / 1000)} KB"
    results.add(at_most(1.02, f"{what}, server bytes", "the paged list alone", [ours / proxy.received], note))


async def add(scene: RealScene, text: str) -> None:
    manifest = yaml12.parse_yaml(text)
    assert isinstance(manifest, dict)  # noqa: S101 -- one document, an object
    (await scene.bed.http.post(CRDS, json=manifest)).raise_for_status()
    scene.bed.made.add(str(manifest))


async def list_alone(scene: RealScene) -> list[Sent]:
    """The pages of a plain list, found out by walking it once."""
    pages, token = [], ""
    while True:
        target = f"{CRDS}?limit=50" + (f"&continue={token}" if token else "")
        pages.append(Sent("GET", target))
        answer = (await scene.bed.http.get(target)).raise_for_status().json()
        token = answer["metadata"].get("continue", "")
        if not token:
            return pages
