"""What makes a manifest a hook of Helm or Argo CD: annotations that say when, in which order, and until when."""

from __future__ import annotations

from asyncmigrate._output.in_cluster import Hook
from asyncmigrate._output.role_yaml import Manifest

# The account and its rights come before the Job. Both tools delete what has succeeded only when all of it has.
_FIRST = "-5"
_THEN = "0"
_HELM = {Hook.HELM_PRE: "pre-upgrade", Hook.HELM_POST: "post-upgrade"}
_ARGOCD = {Hook.ARGOCD_PRE: "PreSync", Hook.ARGOCD_POST: "PostSync"}


def hooked(manifest: Manifest, hook: Hook, *, first: bool) -> Manifest:
    """The manifest as a hook; `first` if others of the hook need it."""
    return {**manifest, "metadata": {**manifest["metadata"], "annotations": _annotations(hook, first=first)}}


def _annotations(hook: Hook, *, first: bool) -> dict[str, str]:
    order = _FIRST if first else _THEN
    if hook in _HELM:
        return {
            "helm.sh/hook": _HELM[hook],
            "helm.sh/hook-weight": order,
            "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
        }
    return {
        "argocd.argoproj.io/hook": _ARGOCD[hook],
        "argocd.argoproj.io/sync-wave": order,
        "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation,HookSucceeded",
    }
