"""CRD manifests in bulk: real ones where the corpus is at hand, else made up to the same size."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

# Not of the project: real CRDs, one a file, that some machines have beside the checkout.
CORPUS = Path(__file__).parents[2] / "shared" / "corpus" / "upjet-aws-344.tar.xz"
_SUFFIX = "upbound.io"


def texts() -> Iterator[tuple[str, str]]:
    """Manifests and their names, without end: each time round in other groups."""
    real = _corpus()
    turn = 0
    while True:
        for name, text in real or _made_up():
            yield f"{turn}-{name}", text.replace(_SUFFIX, f"t{turn}.{_SUFFIX}") if turn else text
        turn += 1


def write(folder: Path, count: int) -> Path:
    """A folder with so many CRDs, one a file."""
    folder.mkdir(parents=True)
    for _, (name, text) in zip(range(count), texts(), strict=False):
        (folder / name).write_text(text)
    return folder


def origin() -> str:
    return "real CRDs, repeated in other groups" if CORPUS.is_file() else "made-up CRDs"


def _corpus() -> list[tuple[str, str]]:
    if not CORPUS.is_file():
        return []
    with tarfile.open(CORPUS) as archive:
        files = [(m.name, archive.extractfile(m)) for m in archive if m.isfile()]
        return [(Path(name).name, file.read().decode()) for name, file in files if file and name.endswith(".yaml")]


def _made_up() -> list[tuple[str, str]]:
    return [(f"kind{n:03}.yaml", _manifest(f"kind{n:03}s")) for n in range(344)]


def _manifest(plural: str) -> str:
    """Some 50 KB, nearly all of it schema, as generators of providers write them."""
    fields = "\n".join(
        f"""                  field{n}:
                    description: |-
                      What the provider calls field {n} of the resource; see its documentation
                      for the values that it takes: (Optional) "none", 'some' or *all* of them.
                    items:
                      properties:
                        name: {{description: 'Name of the {n}th: one of a, b & c', type: string}}
                        value: {{format: int64, type: integer}}
                      type: object
                    type: array"""
        for n in range(115)
    )
    version = """  - name: {version}
    served: true
    storage: {storage}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              forProvider:
                type: object
                properties:
{fields}
"""
    group = f"made.{_SUFFIX}"
    return f"""apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: {plural}.{group}
spec:
  group: {group}
  names:
    kind: {plural.capitalize()}
    plural: {plural}
  scope: Cluster
  versions:
{version.format(version="v1beta1", storage="true", fields=fields)}"""
