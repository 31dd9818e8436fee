"""Names of CRDs, namespaces and objects, and references to images."""

from __future__ import annotations

import pytest

from asyncmigrate._rules.decisions.names import check_crd_name, check_image, check_label, check_subdomain
from asyncmigrate.errors import UsageError

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize("label", ["a", "a-b", "0", "a" * 63])
def test_a_label_is_taken(label: str) -> None:
    check_label("it", label)
    check_subdomain("it", label)


@pytest.mark.parametrize("label", ["", "-a", "a-", "A", "a.b", "a_b", "a" * 64, "a\n", "ä", "a b"])
def test_what_is_no_label_is_refused(label: str) -> None:
    with pytest.raises(UsageError, match="at most 63 small letters"):
        check_label("it", label)


@pytest.mark.parametrize("name", ["", ".", "a.", ".a", "a..b", "A.b", "a_b", f"{'a.' * 127}a", "a/b"])
def test_what_is_no_subdomain_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="such as my-name"):
        check_subdomain("it", name)


@pytest.mark.parametrize(
    "name", ["widgets", "Widgets.example.com", "w.x\n", "w.*", "*.x", "w.x/status", "-w.x", "w.x y"]
)
def test_what_is_no_crd_s_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"is no CRD's name: write <plural>.<group>"):
        check_crd_name(name)


@pytest.mark.parametrize(
    "image",
    [
        "asyncmigrate",
        "asyncmigrate:0.1.0",
        "host:5000/a/b_c__d.e-f:v1",
        f"host.example/team/tool@{DIGEST}",
        f"tool:1@{DIGEST}",
        "[::1]:5000/tool",
        "localhost/tool",
    ],
)
def test_an_image_is_taken(image: str) -> None:
    check_image(image)


@pytest.mark.parametrize(
    "image", ["", " tool", "tool ", "Tool", "tool:", "tool:-a", "tool@sha256:12", "a//b", "http://a/b"]
)
def test_what_is_no_image_is_refused(image: str) -> None:
    with pytest.raises(UsageError, match="is no image: write"):
        check_image(image)
