"""What a round is played with: its CRD, who writes beside the migrator, and what was drawn for it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import AsyncExitStack

import anyio
import msgspec

from tests.bed.admission import AdmissionWebhook, open_admission_webhook, register
from tests.bed.bed import Bed, RealBed
from tests.bed.scenes import Manifest, crd
from tests.bed.webhook import Webhook, open_webhook
from tests.chaos.denials import Denials
from tests.chaos.late import LateWrites
from tests.chaos.proxy import Proxy
from tests.chaos.tally import Tally
from tests.chaos.writers import Content, Writer

CONVERSION_MISSING = "conversion missing"
_WRITERS = 3


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What is drawn for a round beside what happens in its middle."""

    share: float  # of requests that meet a fault of the proxy
    late: bool  # writes are held across moves of storage
    denials: bool
    hook: bool  # late writes are held in admission too
    clocks: str
    forges: bool  # writers send managedFields of their own
    old_move: bool  # time passes between the move and the run, on the embedded server
    rate: float | None

    @property
    def words(self) -> list[str]:
        drawn = {
            "late writes": self.late,
            "denials": self.denials,
            self.clocks: self.clocks != "true clocks",
            "forged stamps": self.forges,
            "an old move": self.old_move,
        }
        return [words for words, is_so in drawn.items() if is_so]


def draw_setting(kind: str, draw: random.Random, *, real: bool, objects: int) -> Setting:
    calm = kind == CONVERSION_MISSING  # the migrator's looks at the CRD must be answered for it to notice in time
    share = draw.choice((0.0, 0.05, 0.15, 0.3))
    late, denials, hook = draw.random() < 0.6, draw.random() < 0.35, draw.random() < 0.5
    clocks = draw.choice(("true clocks", "a clock that is off", "clocks that differ"))
    forges, old_move = draw.random() < 0.5, draw.random() < 0.2
    rate = draw.choice((None, objects * 5.0, objects * 2.0))
    return Setting(
        share=0.0 if calm else share,
        late=late,
        denials=denials and not calm,
        hook=hook,
        clocks=clocks,
        forges=forges,
        old_move=old_move and not real,
        rate=objects / 5 if calm else rate,
    )


class Scene:
    """One CRD and its objects, those that write them, and the proxy that the migrator goes through."""

    def __init__(self, bed: Bed, proxy: Proxy, tally: Tally, *, seed: int, objects: int, kind: str) -> None:
        self.bed = bed
        self.proxy = proxy
        self.tally = tally
        self.seed = seed
        self.kind = kind
        self.draw = random.Random(seed)  # noqa: S311 -- repeatable, not secret
        self.objects = [f"w-{n:04}" for n in range(objects)]  # none of them is ever deleted
        self.setting = draw_setting(kind, self.draw, real=self.is_real, objects=objects)
        self.name = f"chaos{seed}s.{bed.group}"
        # Longer than any write is held. A real server takes a move up through its watch, while others write.
        self.settle = (4.0 if self.is_real else 1.0) if self.setting.late else (1.0 if self.is_real else 0.3)
        self.conversion: Webhook | None = None
        self.before: Manifest = {}
        self.after: Manifest = {}
        self.writers: list[Writer] = []
        self.late: LateWrites | None = None
        self.denials: Denials | None = None
        self.unconverted: set[str] = set()  # by the run, before it could notice that the conversion was missing
        self.may_run = anyio.Event()  # no new run begins before
        self.may_run.set()

    @property
    def is_real(self) -> bool:
        return isinstance(self.bed, RealBed)

    def manifest(self, storage: str, *versions: str, converts: bool = True, unserved: tuple[str, ...] = ()) -> Manifest:
        conversion = self.conversion.conversion if self.conversion and converts else None
        return crd(
            self.bed.group,
            storage,
            *(versions or ("v1", "v2")),
            plural=f"chaos{self.seed}s",
            conversion=conversion,
            unserved=unserved,
        )

    async def open(self, stack: AsyncExitStack) -> None:
        """Make the CRD and its objects in v1, and all that is to go wrong."""
        if self.kind == CONVERSION_MISSING:
            self.conversion = await stack.enter_async_context(open_webhook())
        self.before, self.after = self.manifest("v1"), self.manifest("v2")
        content = Content(self.before, converts=self.conversion is not None)
        await self.bed.apply_crd(self.before)
        await self.bed.create(self.before, *(content.obj("v1", name, 1) for name in self.objects))
        webhook = None
        if self.setting.denials or (self.setting.late and self.setting.hook):
            webhook = await stack.enter_async_context(open_admission_webhook())
            await register(self.bed, self.before, webhook, name=f"policy.{self.name}")
        self._cast(content, webhook)
        self._set_clocks()
        self.proxy.share = self.setting.share

    def _cast(self, content: Content, webhook: AdmissionWebhook | None) -> None:
        draws = [random.Random(self.seed + n) for n in range(_WRITERS)]  # noqa: S311
        forges = self.setting.forges
        self.writers = [Writer(self.bed, content, n, draw, forges=forges) for n, draw in enumerate(draws)]
        names = self.draw.sample(self.objects, len(self.objects) // 2)
        if self.setting.denials and webhook:
            denied = [names.pop() for _ in range(self.draw.randint(1, 4))]
            self.denials = Denials(webhook, self.before, denied, self.draw)
        if self.setting.late:
            longest = 3.0 if self.is_real else 0.6
            self.late = LateWrites(
                self.bed, content, webhook, self.draw, names=names, longest=longest, settle=self.settle
            )

    def _set_clocks(self) -> None:
        draw = random.Random(self.seed)  # noqa: S311
        off = draw.uniform(-9, 9)
        if self.setting.clocks == "a clock that is off":
            self.proxy.shift = lambda: off
        elif self.setting.clocks == "clocks that differ":
            self.proxy.shift = lambda: draw.uniform(-9, 9)

    # What others were told is done

    @property
    def expected(self) -> dict[str, int]:
        found = dict.fromkeys(self.objects, 1) | (self.late.expected if self.late else {})
        return found | {name: size for w in self.writers for name, size in w.expected.items()}

    def keep_expected(self) -> Callable[[], None]:
        """Remember what is expected now, while nobody writes; what is returned goes back to it."""
        kept = [dict(w.expected) for w in self.writers]
        late = dict(self.late.expected) if self.late else {}

        def go_back() -> None:
            for writer, expected in zip(self.writers, kept, strict=True):
                writer.expected = dict(expected)
            if self.late:
                self.late.expected = dict(late)

        return go_back

    async def until_landed(self) -> None:
        if self.late:
            await self.late.until_landed()

    # The store

    async def stored(self) -> dict[str, Manifest]:
        """What the store has of each object, by name."""
        if self.is_real:  # its etcd may be paused, by a task of this loop
            found = await anyio.to_thread.run_sync(self.bed.stored, self.name)
        else:
            found = self.bed.stored(self.name)
        return {name: json.loads(data) for (_, name), data in found.items()}

    async def count_stored(self, *, in_v2: bool) -> int:
        return sum(o["apiVersion"].endswith("/v2") is in_v2 for o in (await self.stored()).values())

    def lost(self, what: str) -> None:
        """Note a loss; where the machine was too slow for a late write to be in time, it is nobody's fault."""
        told = self.tally.unclear if self.late and self.late.overdue else self.tally.lost
        told.append(f"seed {self.seed} ({', '.join([self.kind, *self.setting.words])}): {what}")
