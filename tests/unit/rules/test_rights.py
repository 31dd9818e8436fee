"""Rights and RBAC rules."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncmigrate import PolicyRule
from asyncmigrate._model import Right
from asyncmigrate._rules.decisions.rights import (
    advice,
    needed,
    needed_for,
    needed_for_events,
    needed_for_state,
    rules_for,
)


def test_rights_become_the_fewest_rules() -> None:
    assert [str(r) for r in rules_for(needed("w.x"))] == [
        "- {apiGroups: [x], resources: [w], verbs: [get, list, patch]}",
        "- {apiGroups: [apiextensions.k8s.io], resources: [customresourcedefinitions], resourceNames: [w.x], "
        "verbs: [get]}",
        "- {apiGroups: [apiextensions.k8s.io], resources: [customresourcedefinitions/status], resourceNames: [w.x], "
        "verbs: [patch]}",
    ]


def test_crds_of_one_group_share_their_rules() -> None:
    api = ("apiextensions.k8s.io",)
    assert rules_for(needed_for(["a.x.y", "b.x.y", "a.z.io"])) == (
        PolicyRule(api_groups=("x.y",), resources=("a", "b"), verbs=("get", "list", "patch")),
        PolicyRule(
            api_groups=api,
            resources=("customresourcedefinitions",),
            resource_names=("a.x.y", "b.x.y", "a.z.io"),
            verbs=("get",),
        ),
        PolicyRule(
            api_groups=api,
            resources=("customresourcedefinitions/status",),
            resource_names=("a.x.y", "b.x.y", "a.z.io"),
            verbs=("patch",),
        ),
        PolicyRule(api_groups=("z.io",), resources=("a",), verbs=("get", "list", "patch")),
    )


def test_without_names_it_is_every_object_of_the_cluster_and_three_verbs() -> None:
    [rule] = rules_for(needed_for([]))
    assert str(rule) == '- {apiGroups: ["*"], resources: ["*"], verbs: [get, list, patch]}'


def test_what_only_cleans_needs_no_right_to_trim() -> None:
    assert not [r for r in needed("w.x", trims=False) if r.subresource]


def test_the_state_is_one_configmap_except_that_no_name_can_be_given_to_create_it() -> None:
    assert [str(r) for r in rules_for(needed_for_state("ns", "s"))] == [
        '- {apiGroups: [""], resources: [configmaps], resourceNames: [s], verbs: [get, patch]}',
        '- {apiGroups: [""], resources: [configmaps], verbs: [create]}',
    ]
    assert {r.namespace for r in needed_for_state("ns", "s")} == {"ns"}


def test_events_on_crds_are_in_default() -> None:
    assert {r.namespace for r in needed_for_events()} == {"default"}


def test_advice_names_each_rule() -> None:
    assert advice(needed("w.x")[:3]) == (
        "give yourself a ClusterRole with this rule: - {apiGroups: [x], resources: [w], verbs: [get, list, patch]}"
    )
    assert "with these rules: " in advice(needed("w.x"))


_WORDS = st.sampled_from(["a", "b", "c"])
_RIGHTS = st.builds(
    Right,
    verb=_WORDS,
    group=_WORDS,
    resource=_WORDS,
    subresource=st.sampled_from(["", "status"]),
    name=st.sampled_from(["", "x", "y"]),
)


@settings(deadline=None)
@given(st.lists(_RIGHTS))
def test_rules_give_just_the_rights_that_they_are_for(rights: list[Right]) -> None:
    given_rights = {
        Right(verb=verb, group=group, resource=resource, subresource=sub, name=name)
        for rule in rules_for(rights)
        for group in rule.api_groups
        for resource, _, sub in (r.partition("/") for r in rule.resources)
        for name in rule.resource_names or ("",)
        for verb in rule.verbs
    }
    assert given_rights == set(rights)


@pytest.mark.parametrize("crd", ["w.x", "widgets.example.com"])
def test_a_role_is_made_of_what_the_preflight_asks_for(crd: str) -> None:
    assert needed_for([crd]) == needed(crd)
