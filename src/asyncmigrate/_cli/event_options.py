"""--events: whether a run leaves Kubernetes Events about its CRDs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def events(command: F) -> F:
    """--events."""
    return click.option(
        "--events",
        is_flag=True,
        help="Record a Kubernetes Event about each CRD that was migrated, or could not be, for `kubectl describe crd`. "
        "For runs that nobody watches, such as Jobs. Needs the rights to create and patch events in namespace default.",
    )(command)
