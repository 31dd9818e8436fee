"""`python -m tests.lowest`: the lowest direct versions that pyproject.toml allows, and the tools for tests, for pip."""

from __future__ import annotations

import tomllib
from pathlib import Path

_PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def main() -> None:
    found = tomllib.loads(_PYPROJECT.read_text())
    project = found["project"]
    extras = project["optional-dependencies"]
    ours = [*project["dependencies"], *extras["httpx"], *extras["metrics"], *extras["socks"]]
    lowest = [one.replace(">=", "==") for one in ours]
    # What tests alone need is the newest that goes with these.
    named = {one.partition("==")[0] for one in lowest}
    tools = [one for one in found["dependency-groups"]["dev"] if one.partition(">=")[0] not in named]
    print("\n".join([*lowest, *tools]))  # noqa: T201 -- the output is what it is for


if __name__ == "__main__":
    main()
