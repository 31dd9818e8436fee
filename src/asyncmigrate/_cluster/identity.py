"""Who we are to the cluster: whom to act as, what a caller put over the kubeconfig, and what a header can carry."""

from __future__ import annotations

import base64
import string
from collections.abc import Mapping
from typing import ClassVar

import msgspec

from asyncmigrate._rules.errors.secrets import Discreet
from asyncmigrate.errors import ConfigError, UsageError

Headers = tuple[tuple[str, str], ...]

# What a header's name may be made of (RFC 9110, tchar). The rest is percent-encoded, and so is `%` itself:
# headerKeyEscape in client-go's transport/round_trippers.go.
_NAME_BYTES = frozenset((string.ascii_letters + string.digits + "!#$&'*+-.^_`|~").encode())
_DELETE = 0x7F


class Impersonation(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to act as: the API server checks that we may, and then goes by this user's rights. Empty for ourselves."""

    user: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = {}

    def check(self) -> None:
        """Refuse what the API server would not understand, or what would make it ignore the rest."""
        if not self.user and (self.uid or self.groups or self.extra):
            raise ConfigError("groups, a uid or extra fields to act with, and no user to act as")
        for name, value in self.headers:
            check_header(value, f"the value of {name}")
            # HTTP takes blanks off both ends: of " " nothing is left, and the request is our own again.
            if value != value.strip() or not value:
                raise ConfigError(f"the value of {name} is blank, or has blanks around it")

    @property
    def headers(self) -> Headers:
        """The request headers; a name may be there several times."""
        if not self.user:
            return ()
        extra = [(f"Impersonate-Extra-{_escaped(key)}", v) for key, values in self.extra.items() for v in values]
        uid = [("Impersonate-Uid", self.uid)] if self.uid else []
        groups = [("Impersonate-Group", group) for group in self.groups]
        return (("Impersonate-User", self.user), *uid, *groups, *extra)


class Overrides(Discreet, frozen=True, kw_only=True):
    """What the caller says in place of a kubeconfig; None for what it says itself."""

    context: str | None = None
    cluster: str | None = None
    user: str | None = None
    server: str | None = None
    token: str | None = None
    as_user: str | None = None
    as_uid: str | None = None
    as_groups: tuple[str, ...] | None = None
    stdin_is_taken: bool = False  # standard input holds a manifest, so no credential plugin may read it

    _hidden: ClassVar = frozenset({"token"})

    def __post_init__(self) -> None:
        words = {name: getattr(self, name) for name in self.__struct_fields__ if name != "as_groups"}
        # It may come from a variable that is not set: to ignore it would be to act as somebody else than was meant.
        if empty := [name for name, word in words.items() if isinstance(word, str) and not word.strip()]:
            raise UsageError(f"{empty[0]} is empty: leave it out, or say which")
        if not all(group.strip() for group in self.as_groups or ()):
            raise UsageError("as_groups has an empty group")

    def impersonation(self, theirs: Impersonation) -> Impersonation:
        """Whom to act as, where a kubeconfig says `theirs`.

        Another user does not take the groups, uid and extra fields along that the kubeconfig has for its own; kubectl
        mixes them, and so `--as` may have more rights there than its user has.
        """
        base = Impersonation(user=self.as_user) if self.as_user is not None else theirs
        more = {"uid": self.as_uid, "groups": self.as_groups}
        found = msgspec.structs.replace(base, **{k: v for k, v in more.items() if v is not None})
        found.check()
        return found


def check_header(value: str, what: str) -> None:
    """Refuse a value that HTTP cannot carry, without showing it."""
    if any((ord(c) < ord(" ") and c != "\t") or ord(c) == _DELETE or "\ud800" <= c <= "\udfff" for c in value):
        raise ConfigError(f"{what} has a line break or another character that no HTTP header can carry")


def basic(username: str, password: str) -> str:
    """A user name and a password as an Authorization header."""
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


def _escaped(key: str) -> str:
    return "".join(chr(b) if b in _NAME_BYTES else f"%{b:02X}" for b in key.encode("utf-8", "surrogatepass"))
