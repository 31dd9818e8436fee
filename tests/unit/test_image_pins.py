"""What the image installs is what is tested: the pins of image/ are those of constraints.txt, and none is missing."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMAGE = ROOT / "image"


def pins(file: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Version and hashes by name; what holds for some Pythons only, too."""
    found = {}
    for entry in re.split(r"\n(?=\S)", file.read_text().replace("\\\n", " ")):
        name, _, rest = entry.partition("==")
        found[name.strip()] = (rest.split()[0], frozenset(re.findall(r"--hash=(\S+)", rest)))
    return found


@pytest.mark.parametrize("name", ["requirements.txt", "build-requirements.txt"])
def test_each_pin_is_one_of_constraints_txt_with_its_hashes(name: str) -> None:
    image, all_pins = pins(IMAGE / name), pins(ROOT / "constraints.txt")
    assert all(hashes for _, hashes in image.values())
    assert {n: all_pins.get(n) for n in image} == image


def test_no_dependency_is_missing() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    names = {re.split(r"[^\w-]", d)[0].lower() for d in project["project"]["dependencies"]}
    assert names <= pins(IMAGE / "requirements.txt").keys()
    backend = {re.split(r"[^\w-]", d)[0] for d in project["build-system"]["requires"]}
    assert backend <= pins(IMAGE / "build-requirements.txt").keys()
