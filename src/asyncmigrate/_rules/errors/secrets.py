"""What no message and no repr may show: the user names, passwords and tokens in URLs, and fields that hold a secret."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import msgspec

# A URL in a text ends at a space or a quote. JSON may write its slashes as `\/`.
_URL = re.compile(r"[a-z][a-z0-9+.-]*:(?:\\?/)+[^\s'\"<>]*@", re.IGNORECASE)
_NAME = re.compile(r"\s*[a-z][a-z0-9+.-]*:(?:\\?/)+", re.IGNORECASE)
_SCHEME = re.compile(r"\s*[^/\\]*(?:\\?/)+")
# A host for sure, so that an `@` behind it is one of the path or query: https://cdn.example.com/widgets@1.2/crd.yaml.
# With a colon it could be `user:1/2@host`, or another URL may follow.
_HOST = re.compile(r"(?:localhost|[\w-]+(?:\.[\w-]+)+)[/?#][^:]*", re.IGNORECASE)


def without_credentials(text: str) -> str:
    """A text without what stands before the last `@` of each URL in it: a password may have `@`, `/` and `#` in it."""
    return _URL.sub(lambda found: _bare(found[0]), text)


def on_one_line(text: str) -> str:
    """A text from elsewhere without its line breaks and its credentials."""
    return without_credentials(" ".join(text.split()))


def shown_source(name: str) -> str:
    """The name of a file as it is; a URL, of any scheme, without its credentials, its query and its fragment."""
    if not _NAME.match(name):
        return name
    bare = _bare(name)
    return re.sub(r"(?s)([?#]).+", r"\1…", bare)


def _bare(url: str) -> str:
    scheme = _SCHEME.match(url)
    if scheme is None:
        return url
    rest = url[scheme.end() :]
    return url if _HOST.fullmatch(rest) else scheme[0] + rest.rpartition("@")[2]


class Discreet(msgspec.Struct, frozen=True):
    """A struct whose repr leaves `_hidden` out, and the credentials of URLs in the rest.

    A repr gets into logs and tracebacks, and into the output of a test that fails.
    """

    _hidden: ClassVar[frozenset[str]] = frozenset()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """The fields as they may be shown; rich's tracebacks ask for them."""
        fields = [(name, getattr(self, name)) for name in self.__struct_fields__ if name not in self._hidden]
        return [(name, shown_source(value) if isinstance(value, str) else value) for name, value in fields]
