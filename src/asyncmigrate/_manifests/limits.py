"""How large a manifest may be, and what is said of one that is larger.

How long it may take to read stands in `urls` and `exact_yaml`.
"""

from __future__ import annotations

from asyncmigrate.errors import ManifestError

# As much as an API server may answer at most (see _cluster); 2,065 CRDs of a cloud provider in one file are 102 MB.
MOST_BYTES = 128 * 1024 * 1024
# Of one text; those 2,065 CRDs have some 2 million, schemas and all.
MOST_VALUES = 3_000_000
TOO_MANY_VALUES = f"more than {MOST_VALUES:,} values in one file: is that the right file? If it is, split it"


def too_large(source: str, most: int) -> ManifestError:
    return ManifestError(
        f"larger than {most / (1 << 20):.3g} MiB: is that the right file? If it is, split it", source=source
    )
