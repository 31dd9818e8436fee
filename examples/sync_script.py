"""A script that is not async: it migrates, keeps the report, and later does what was left.

python examples/sync_script.py report.json
"""

from __future__ import annotations

import sys
from pathlib import Path

from asyncmigrate import Report
from asyncmigrate.sync import Cluster, plan, retry, run


@retry(retry_on=OSError)
def keep(report: Report, path: Path) -> None:
    """Write the report; a file server may be away for a moment."""
    path.write_text(report.to_json())


def main(path: Path) -> int:
    """Take up what the last run left, or begin."""
    left = Report.from_json(path.read_text()).unfinished if path.exists() else None
    with Cluster.from_kubeconfig() as cluster:
        todo = plan(cluster)
        todo.raise_if_blocked()
        report = run(cluster, todo, unfinished=left)
    keep(report, path)
    print(report.render())
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
