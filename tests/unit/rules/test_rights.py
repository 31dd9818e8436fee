"""Rights and RBAC rules."""

from __future__ import annotations

from asyncmigrate import CRD
from asyncmigrate._rules.decisions.rights import needed, rules_for


def test_rights_become_the_fewest_rules() -> None:
    crd = CRD(name="w.x", group="x", plural="w", kind="W")
    assert [str(r) for r in rules_for(needed(crd))] == [
        "- {apiGroups: [x], resources: [w], verbs: [get, list, patch]}",
        "- {apiGroups: [apiextensions.k8s.io], resources: [customresourcedefinitions], verbs: [get]}",
        "- {apiGroups: [apiextensions.k8s.io], resources: [customresourcedefinitions/status], verbs: [patch]}",
    ]
