"""What all rounds came to, in a few lines."""

from __future__ import annotations

from collections import Counter

import msgspec


class Tally(msgspec.Struct):
    """What all rounds came to."""

    rounds: int = 0
    runs: int = 0
    kinds: Counter[str] = msgspec.field(default_factory=Counter)  # what happened in the middle of a round
    settings: Counter[str] = msgspec.field(default_factory=Counter)  # what was drawn for a round beside that
    faults: Counter[str] = msgspec.field(default_factory=Counter)
    writes: int = 0
    late: int = 0  # writes that began before a move of storage and landed after it
    overdue: int = 0  # of these, those that landed later than the run has to wait: they prove nothing
    denials: int = 0
    requests: int = 0
    proven: int = 0
    objects: int = 0
    unclear: list[str] = msgspec.field(default_factory=list)  # losses of rounds with overdue writes
    lost: list[str] = msgspec.field(default_factory=list)

    def add(self, other: Tally) -> None:
        for field in self.__struct_fields__:
            setattr(self, field, getattr(self, field) + getattr(other, field))

    def __str__(self) -> str:
        return (
            f"{self.rounds} rounds, {self.runs} runs; in the middle: {_listed(self.kinds)}\n"
            f"drawn beside that: {_listed(self.settings)}\n"
            f"{self.requests} requests, {self.faults.total()} faults: {_listed(self.faults)}\n"
            f"{self.writes} writes by others, {self.late} of them late ({self.overdue} overdue); "
            f"{self.denials} requests denied; {self.proven} objects proven\n"
            f"{self.objects} objects checked in the store; lost: {'; '.join(self.lost) or 'nothing'}"
            f"{'; unclear: ' + '; '.join(self.unclear) if self.unclear else ''}"
        )


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{n} {what}" for what, n in sorted(counts.items()) if what) or "none"
