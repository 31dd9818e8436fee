"""Which names Kubernetes takes: of CRDs, namespaces and objects, and references to images."""

from __future__ import annotations

import re

from asyncmigrate.errors import UsageError

LABEL_LENGTH = 63
SUBDOMAIN_LENGTH = 253

_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"{_LABEL.pattern}(?:\.{_LABEL.pattern})*")
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
# The grammar of distribution/reference: [HOST/]NAME[:TAG][@DIGEST].
_IMAGE = re.compile(
    rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*(?::\w[\w.-]{{0,127}})?(?:@[A-Za-z0-9+._-]+:[0-9a-fA-F]{{32,}})?", re.ASCII
)


def check_label(what: str, value: str, *, most: int = LABEL_LENGTH) -> None:
    """Refuse what is no DNS label (RFC 1123), as names of namespaces are.

    Raises:
        UsageError: it is not.
    """
    if not _LABEL.fullmatch(value) or len(value) > most:
        raise UsageError(
            f"{what} {value!r}: write at most {most} small letters, digits and '-', with none at its beginning and end"
        )


def check_subdomain(what: str, value: str) -> None:
    """Refuse what is no DNS subdomain, as most objects' names are.

    Raises:
        UsageError: it is not.
    """
    if not _SUBDOMAIN.fullmatch(value) or len(value) > SUBDOMAIN_LENGTH:
        raise UsageError(f"{what} {value!r}: write small letters, digits, '-' and '.', such as my-name.example")


def check_crd_name(name: str) -> None:
    """Refuse what cannot be a CRD's name.

    Raises:
        UsageError: it cannot.
    """
    if "." not in name or not _SUBDOMAIN.fullmatch(name) or len(name) > SUBDOMAIN_LENGTH:
        raise UsageError(f"{name!r} is no CRD's name: write <plural>.<group>, such as widgets.example.com")


def check_image(image: str) -> None:
    """Refuse what no container runtime could pull.

    Raises:
        UsageError: it is no reference to an image.
    """
    if not _IMAGE.fullmatch(image):
        raise UsageError(f"--image {image!r} is no image: write [HOST/]NAME[:TAG][@DIGEST], such as registry/tool:1.0")
