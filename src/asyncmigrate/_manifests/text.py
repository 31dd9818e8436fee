r"""Bytes of a manifest to text, as kubectl takes them: UTF-8 or UTF-16, any line ends, byte order marks, gzip.

Text that comes out of here has `\n` at the end of each line, no byte order mark at the start of one, and no NUL.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib

from asyncmigrate._manifests.limits import MOST_BYTES, too_large
from asyncmigrate.errors import ManifestError

_GZIP = b"\x1f\x8b"
_BOMS = re.compile("^\ufeff+", re.MULTILINE)
# How files begin that are not text, and what they are. A tar file says so at its 257th byte.
_PACKED = {
    b"PK\x03\x04": "a zip file",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"\xfd7zXZ": "compressed with xz",
    b"BZh": "compressed with bzip2",
}
_TAR_AT = 257
_MOST_MENDED_BYTES = 8 << 20  # of a text that is wrongly encoded; mending takes 15 times its size at worst


def unpacked(raw: bytes, source: str) -> bytes:
    """The bytes, without gzip where they have it (whatever their name is).

    Raises:
        ManifestError: they are broken, or more than `MOST_BYTES` unpacked.
    """
    if not raw.startswith(_GZIP):
        return raw
    try:
        found = gzip.GzipFile(fileobj=io.BytesIO(raw)).read(MOST_BYTES + 1)
    except EOFError as error:
        raise ManifestError("a gzip file that was cut short: fetch or write it again", source=source) from error
    except (OSError, zlib.error) as error:
        raise ManifestError(f"a broken gzip file: {error}", source=source) from error
    if len(found) > MOST_BYTES:
        raise too_large(f"{source}, unpacked", MOST_BYTES)
    return found


def decoded(raw: bytes, source: str) -> str:
    """The text. Bytes that are no UTF-8 become U+FFFD, as for kubectl; UTF-16 says so by its first bytes.

    Raises:
        ManifestError: it is no text.
    """
    if packed := next((name for magic, name in _PACKED.items() if raw.startswith(magic)), ""):
        raise ManifestError(f"{packed}, which is not read: unpack it first", source=source)
    if raw.startswith(b"ustar", _TAR_AT):
        problem = "a tar file: unpack it first; a Helm chart is rendered with `helm template --include-crds`"
        raise ManifestError(problem, source=source)
    is_utf_16 = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding = "utf-16" if is_utf_16 else "utf-8"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        if len(raw) > _MOST_MENDED_BYTES:
            problem = f"no {encoding.upper()} text: {error.reason} at byte {error.start:,}"
            raise ManifestError(problem, source=source) from error
        text = raw.decode(encoding, errors="replace")
    if "\0" in text:  # YAML readers may stop there, and say nothing
        raise ManifestError("not text, for it has NUL characters: save it as UTF-8", source=source)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _BOMS.sub("", text) if "\ufeff" in text else text
