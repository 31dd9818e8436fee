"""What a bench found out: rows of ratios against a goal, as JSON and as a Markdown table."""

from __future__ import annotations

import os
import platform
import re
import statistics
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
from tests.bed.real import chosen


class Row(msgspec.Struct, frozen=True):
    """One line of the table.

    Attributes:
        what: what was measured.
        against: what it is set against.
        goal: the ratio to reach, at most or at least, as `sense` says.
        ratios: one for each round.
        note: the figures behind the ratios.
    """

    what: str
    against: str
    sense: str
    goal: float
    ratios: tuple[float, ...]
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.ratios)

    @property
    def met(self) -> bool:
        return self.median <= self.goal if self.sense == "at most" else self.median >= self.goal

    @property
    def line(self) -> str:
        verdict = "met" if self.met else "**not met**"
        measured = spread(self.ratios)
        return f"| {self.what} | {self.against} | {self.sense} {self.goal:.4g} | {measured} | {verdict} | {self.note} |"


def at_least(goal: float, what: str, against: str, ratios: Iterable[float], note: str = "") -> Row:
    return Row(what, against, "at least", goal, tuple(ratios), note)


def at_most(goal: float, what: str, against: str, ratios: Iterable[float], note: str = "") -> Row:
    return Row(what, against, "at most", goal, tuple(ratios), note)


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 -- three digits say enough


def spread(values: Sequence[float], unit: str = "") -> str:
    """The median, and from the least to the most where there are several."""
    middle = f"{number(statistics.median(values))}{unit}"
    return middle if len(values) == 1 else f"{middle} ({number(min(values))} to {number(max(values))})"


class Series(msgspec.Struct, frozen=True):
    """Figures for the plot, by name."""

    name: str
    unit: str
    values: dict[str, float]


class Results(msgspec.Struct):
    """All that one run of the bench found out."""

    machine: dict[str, str]
    rows: list[Row] = msgspec.field(default_factory=list)
    series: list[Series] = msgspec.field(default_factory=list)

    def add(self, *found: Row | Series) -> None:
        for one in found:
            if isinstance(one, Series):
                self.series.append(one)
                print(f"  {one.name}: {', '.join(f'{k} {number(v)}{one.unit}' for k, v in one.values.items())}")
            else:
                self.rows.append(one)
                print(f"  {one.line}", flush=True)

    @property
    def markdown(self) -> str:
        head = "| what | against | goal | measured | | figures |\n|---|---|---|---|---|---|"
        about = "; ".join(f"{k} {v}" for k, v in self.machine.items())
        return "\n".join([about, "", head, *(row.line for row in self.rows), ""])

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "results.json").write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2))
        (folder / "results.md").write_text(self.markdown)


def machine() -> dict[str, str]:
    """What it ran on, and the versions of both sides."""
    model = next((x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name")), ": ?")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": f"{os.cpu_count()} x {model.partition(': ')[2]}",
        "Python": platform.python_version(),
        "aiohttp": version("aiohttp"),
        **{name: _required(module, file) for name, (module, file) in _MODULES.items()},
    }


_MODULES = {
    "Kubernetes": ("k8s.io/kubernetes", f"testbed/{chosen()}"),
    "etcd": ("go.etcd.io/etcd/server/v3", f"testbed/{chosen()}"),
    "clusterctl": ("sigs.k8s.io/cluster-api", "bench/peers"),
}


def _required(module: str, folder: str) -> str:
    """The version of a Go module that a go.mod requires."""
    text = (Path(__file__).parents[1] / folder / "go.mod").read_text()
    found = re.search(rf"^\s*(?:require )?{re.escape(module)} (v\S+)", text, re.MULTILINE)
    return found[1] if found else "?"
