"""`python -m bench.publish`: what the last bench found out, into README: its table, and its plot, docs/bench.svg."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib as mpl
import msgspec
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.__main__ import OUT
from bench.results import Results, Series

ROOT = Path(__file__).parents[1]
PLOT, README = ROOT / "docs" / "bench.svg", ROOT / "README.md"
TABLE = re.compile(r"(?<=<!-- bench -->\n).*?(?=<!-- /bench -->)", re.DOTALL)
OURS, THEIRS, BARE = "#1f77b4", "#b0b0b0", "#d8d8d8"


def main() -> None:
    found = msgspec.json.decode((OUT / "results.json").read_bytes(), type=Results)
    README.write_text(TABLE.sub(lambda _: found.markdown, README.read_text()))
    draw(found)


def draw(found: Results) -> None:
    series = {one.name: one for one in found.series}
    mpl.rcParams.update({"font.size": 9, "svg.hashsalt": "bench", "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=(12, 3), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    bars(left, series["objects a second"], "objects a second")
    bars(middle, series["client CPU an object"], "client CPU an object, ms")
    middle.set_yticklabels([])  # as on the left
    lines(right, [one for name, one in series.items() if name.startswith("new CRDs, ")])
    figure.savefig(PLOT, metadata={"Date": None})


def bars(axes: Axes, series: Series, title: str) -> None:
    names = list(series.values)
    colours = [OURS if n == "asyncmigrate" else BARE if n.startswith("bare") else THEIRS for n in names]
    drawn = axes.barh(names, list(series.values.values()), color=colours)
    axes.bar_label(drawn, fmt="%.3g", padding=3)
    axes.set_title(title, fontsize=9)
    axes.invert_yaxis()
    axes.margins(x=0.18)


def lines(axes: Axes, found: list[Series]) -> None:
    greys = iter(("#909090", "#c0c0c0"))
    for one in found:
        who = one.name.removeprefix("new CRDs, ")
        counts = [int(count) for count in one.values]
        colour = OURS if who == "asyncmigrate" else next(greys)
        axes.plot(counts, list(one.values.values()), marker="o", label=who, color=colour)
    axes.set_yscale("log")
    axes.set_title("seconds to plan so many new CRDs", fontsize=9)
    axes.legend(frameon=False, fontsize=8)


if __name__ == "__main__":
    main()
