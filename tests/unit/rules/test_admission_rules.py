"""Which webhooks and policies lose something with a version, as a table."""

from __future__ import annotations

import pytest

from asyncmigrate._rules.decisions.admission_rules import AdmissionHook, AdmissionRule, admission_uses, param_versions
from tests.unit.rules.cases import crd

CRD = crd("v2", "v1", "v2")
Rules = tuple[AdmissionRule, ...]


def rule(
    *versions: str,
    resources: tuple[str, ...] = ("widgets",),
    operations: tuple[str, ...] = ("CREATE",),
    groups: tuple[str, ...] = ("example.com",),
    scope: str = "*",
    names: tuple[str, ...] = (),
) -> AdmissionRule:
    return AdmissionRule(
        api_groups=groups,
        api_versions=versions,
        resources=resources,
        operations=operations,
        scope=scope,
        resource_names=names,
    )


LOSES: list[tuple[Rules, bool]] = [
    ((), False),
    ((rule("v1"),), True),
    ((rule("v1", groups=("*",)),), True),
    ((rule("v1", groups=("other.example.com",)),), False),
    ((rule("v1", resources=("*",)),), True),
    ((rule("v1", resources=("*/*",)),), True),
    ((rule("v1", resources=("widgets/*",)),), True),
    ((rule("v1", resources=("widgets/status",)),), True),
    ((rule("v1", resources=("gadgets", "gadgets/status")),), False),
    ((rule("v1", scope="Namespaced"),), True),
    ((rule("v1", scope="Cluster"),), False),
    ((rule("v1", "v2"),), False),
    ((rule("*"),), False),
    ((rule("v2"),), False),
    ((rule("v0"),), False),  # already of no use, whatever becomes of v1
    ((rule("v1", "v0"),), True),
    ((rule("v1"), rule("v2")), False),
    ((rule("v2"), rule("v1")), False),
    ((rule("v1"), rule("v2", resources=("*/*",), operations=("*",))), False),
    ((rule("v1", operations=("*",)), rule("v2")), True),
    ((rule("v1", operations=("CREATE", "UPDATE")), rule("v2")), True),
    ((rule("v1", resources=("widgets/*",)), rule("v2")), True),
    ((rule("v1", names=("a",)), rule("v2")), False),
    ((rule("v1", names=("a",)), rule("v2", names=("a", "b"))), False),
    ((rule("v1", names=("a",)), rule("v2", names=("b",))), True),
    ((rule("v1"), rule("v2", names=("a",))), True),
]


@pytest.mark.parametrize(("rules", "loses"), LOSES)
def test_rules_that_lose_something_with_the_version(rules: Rules, loses: bool) -> None:  # noqa: FBT001
    hook = AdmissionHook(kind="ValidatingWebhookConfiguration", name="a", webhook="b", rules=rules)
    assert [(u.name, u.webhook, u.excludes) for u in admission_uses([hook], CRD, "v1")] == [("a", "b", False)] * loses


@pytest.mark.parametrize(("policy", "ends"), [("Equivalent", True), ("Exact", False)])
def test_exclusion_ends_with_the_version_only_if_it_held_for_others(policy: str, ends: bool) -> None:  # noqa: FBT001
    hook = AdmissionHook(
        kind="ValidatingAdmissionPolicy", name="a", match_policy=policy, rules=(rule("*"),), excluded=(rule("v1"),)
    )
    assert [u.excludes for u in admission_uses([hook], CRD, "v1")] == [True] * ends


def test_exclusion_from_what_is_not_for_the_resource_is_no_loss() -> None:
    other = rule("*", resources=("deployments",), groups=("apps",))
    hook = AdmissionHook(kind="ValidatingAdmissionPolicy", name="a", rules=(other,), excluded=(rule("v1"),))
    assert admission_uses([hook], CRD, "v1") == ()
    binding = AdmissionHook(kind="ValidatingAdmissionPolicyBinding", name="b", excluded=(rule("v1"),))
    assert [u.excludes for u in admission_uses([binding], CRD, "v1")] == [True]


def test_versions_that_go_together_do_not_stand_in_for_one_another() -> None:
    live = crd("v3", "v1", "v2", "v3")
    hook = AdmissionHook(kind="ValidatingWebhookConfiguration", name="a", rules=(rule("v1", "v2"),))
    assert admission_uses([hook], live, "v1") == ()
    assert len(admission_uses([hook], live, "v1", {"v1", "v2"})) == 1
    assert admission_uses([hook], live, "v1", {"v1", "v3"}) == ()


@pytest.mark.parametrize(
    ("param", "uses"),
    [
        (("example.com/v1", "Widget"), True),
        (("example.com/v2", "Widget"), False),
        (("example.com/v1", "Gadget"), False),
        (("my.example.com/v1", "Widget"), False),
        (("v1", "ConfigMap"), False),
    ],
)
def test_policy_with_its_parameters_in_the_version(param: tuple[str, str], uses: bool) -> None:  # noqa: FBT001
    hook = AdmissionHook(kind="ValidatingAdmissionPolicy", name="a", param=param, failure_policy="Ignore")
    found = admission_uses([hook], CRD, "v1")
    assert [(u.param, u.failure_policy) for u in found] == [(True, "Ignore")] * uses
    assert ("v1" in param_versions([hook], CRD)) == uses
