"""`python -m bench.sides NAME ...`: one side of a comparison, in a process of its own; prints one line of JSON.

`seconds` and `cpu` are of the work alone, connections included and imports not.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import msgspec
import yaml12

from asyncmigrate import Cluster, Outcome, plan, run
from asyncmigrate._cluster import aiohttp_transport, kubeconfig  # noqa: F401 -- loaded before the clock starts, as aiohttp
from asyncmigrate._rules.flow.latency_window import LatencyWindow
from bench.requests import Sent, empty_patches, moves


async def ours(args: argparse.Namespace) -> dict[str, Any]:
    """Migrate what `names` say, or all that is stale."""
    options: dict[str, Any] = {"settle": args.settle}
    if args.fixed:
        LatencyWindow.QUEUED = 1e9
    if args.managed_fields:
        options["managed_fields"] = args.managed_fields
    if args.max_in_flight:
        options["max_in_flight"] = args.max_in_flight
    if args.shard:
        index, _, count = args.shard.partition("/")
        options |= {"shard": (int(index), int(count)), "state": args.state}
    if args.proof_margin is not None:
        options["proof_margin"] = args.proof_margin
    async with Cluster.from_kubeconfig(args.kubeconfig) as cluster:
        made = await plan(cluster, names=args.names)
        report = await run(cluster, made, **options)
    bad = [c.name for c in report.crds if c.outcome not in {Outcome.MIGRATED, Outcome.SKIPPED}]
    if bad:
        raise RuntimeError(f"not migrated: {bad}")
    return {
        "requests": made.requests + report.requests,
        "retries": report.retries,
        **msgspec.structs.asdict(report.objects),
    }


async def bare(args: argparse.Namespace) -> dict[str, Any]:
    """The same requests with nothing around them: an aiohttp session, some workers, no decoding, no checks."""
    requests = msgspec.json.decode(Path(args.requests).read_bytes(), type=list[Sent])
    return await send(args, requests)


async def rewriting(args: argparse.Namespace) -> dict[str, Any]:
    """The same for what a list shows, read and made into patches on the way."""
    listed = Path(args.listed).read_bytes()
    return await send(args, moves(listed, args.path, args.to) if args.to else empty_patches(listed, args.path))


async def send(args: argparse.Namespace, requests: Iterable[Sent]) -> dict[str, Any]:
    config = msgspec.json.decode(Path(args.kubeconfig).read_bytes())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    trust = None
    if "certificate-authority" in cluster:
        trust = ssl.create_default_context(cafile=cluster["certificate-authority"])
        trust.verify_flags &= ~ssl.VERIFY_X509_STRICT
    left = iter(requests)
    auth = f"Bearer {user['token']}"
    count, sent_bytes, got_bytes = 0, 0, 0

    async def worker(session: aiohttp.ClientSession) -> None:
        nonlocal count, sent_bytes, got_bytes
        for sent in left:
            headers = {"Authorization": auth, "Accept": sent.accept}
            if sent.body:
                headers["Content-Type"] = sent.content_type
            url = cluster["server"] + sent.target
            async with session.request(sent.method, url, data=sent.body or None, headers=headers) as answer:
                got_bytes += len(await answer.read())
                if answer.status not in {200, 201, 404}:
                    raise RuntimeError(f"{sent.method} {sent.target}: {answer.status}")
            sent_bytes += len(sent.body)
            count += 1

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust or True)) as session:
        await asyncio.gather(*(worker(session) for _ in range(args.workers)))
    return {"requests": count, "bytes": sent_bytes + got_bytes}


async def read(args: argparse.Namespace) -> dict[str, Any]:
    """Read a folder's YAML with the fastest reader there is, and do nothing with it."""
    documents = 0
    for path in sorted(Path(args.folder).iterdir()):
        documents += len(yaml12.parse_yaml(path.read_text(), multi=True))
    return {"documents": documents}


async def probe(args: argparse.Namespace) -> dict[str, Any]:
    """Another client: asks for one object now and then until its standard input ends, and says how long it waited."""
    config = msgspec.json.decode(Path(args.kubeconfig).read_bytes())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    trust = ssl.create_default_context(cafile=cluster["certificate-authority"])
    trust.verify_flags &= ~ssl.VERIFY_X509_STRICT
    waits: list[float] = []
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=trust), headers={"Authorization": f"Bearer {user['token']}"}
    ) as session:
        while not ended.done():
            began = time.perf_counter()
            async with session.get(cluster["server"] + args.target) as answer:
                await answer.read()
            waits.append(time.perf_counter() - began)
            await asyncio.sleep(0.05)
    return {"waits": waits}


def parse() -> tuple[Callable[[argparse.Namespace], Awaitable[dict[str, Any]]], argparse.Namespace]:
    parser = argparse.ArgumentParser(prog="bench.sides")
    sides = parser.add_subparsers(required=True)

    def add(side: Callable[[argparse.Namespace], Awaitable[dict[str, Any]]]) -> argparse.ArgumentParser:
        found = sides.add_parser(side.__name__)
        found.set_defaults(side=side)
        return found

    migrating = add(ours)
    migrating.add_argument("kubeconfig")
    migrating.add_argument("names", nargs="*")
    migrating.add_argument("--max-in-flight", type=int)
    migrating.add_argument("--fixed", action="store_true", help="in flight, whatever the server makes of it")
    migrating.add_argument("--proof-margin", type=float)
    migrating.add_argument("--shard", help="I/N")
    migrating.add_argument("--state", help="that the shards share")
    migrating.add_argument("--settle", type=float, default=0.0)
    migrating.add_argument("--managed-fields", choices=["move", "keep"])
    looping = add(bare)
    looping.add_argument("kubeconfig")
    looping.add_argument("requests")
    looping.add_argument("--workers", type=int, default=16)
    patching = add(rewriting)
    patching.add_argument("kubeconfig")
    patching.add_argument("listed")
    patching.add_argument("path", help="where the objects are, in the version to write them through")
    patching.add_argument("--to", help="the apiVersion to move their managedFields to; else the patches are empty")
    patching.add_argument("--workers", type=int, default=16)
    add(read).add_argument("folder")
    probing = add(probe)
    probing.add_argument("kubeconfig")
    probing.add_argument("target")
    args = parser.parse_args()
    return args.side, args


def main() -> None:
    side, args = parse()
    wall, cpu = time.perf_counter(), time.process_time()

    async def timed() -> dict[str, Any]:
        found = await side(args)
        return {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu, **found}

    print(msgspec.json.encode(anyio.run(timed)).decode())


if __name__ == "__main__":
    main()
