"""Plays the Dockerfile's RUN steps in a folder, and tries what they make as the image runs it: `python -m tests.image`.

Takes half a minute and a package registry, so it is no test of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPIED = ("image", "src", "pyproject.toml", "README.md", "LICENSE")


def steps(dockerfile: str) -> list[str]:
    """The commands of each RUN."""
    return re.findall(r"^RUN (.*)$", dockerfile.replace("\\\n", " "), re.MULTILINE)


def build(folder: Path) -> Path:
    """Run the steps with /opt and the working folder in `folder`; the command that they make."""
    source = folder / "src"
    source.mkdir()
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    for step in steps((ROOT / "Dockerfile").read_text()):
        command = step.replace("/opt/", f"{folder}/")
        print(command, flush=True)  # noqa: T201 -- a script
        environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        environment.pop("PYTHONPATH", None)
        subprocess.run(["/bin/sh", "-euc", command], cwd=source, check=True, env=environment)
    shutil.rmtree(source)
    return folder / "asyncmigrate" / "bin" / "asyncmigrate"


def trial(program: Path, *args: str) -> str:
    """Run it with the image's environment, no HOME, and nothing that it could need."""
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
    done = subprocess.run([program, *args], cwd="/", env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = build(folder)
        before = sorted(folder.rglob("*"))
        assert "asyncmigrate" in trial(program, "version")
        assert "kind: Job" in trial(program, "manifests", "widgets.example.com")
        assert "migrated" in trial(program, "demo")
        assert sorted(folder.rglob("*")) == before, "it has written something"
        assert not (folder / "asyncmigrate" / "bin" / "pip").exists()
        size = sum(f.stat().st_size for f in folder.joinpath("asyncmigrate").rglob("*") if f.is_file())
        print(f"the image's own layer: {size / 1e6:.0f} MB")  # noqa: T201 -- the same


if __name__ == "__main__":
    main()
