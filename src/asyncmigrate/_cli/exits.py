"""Exit codes, and what else may end a command."""

from __future__ import annotations

from asyncmigrate._rules.decisions.exit_codes import Exit, for_error, for_plan, for_report

__all__ = ["Declined", "Exit", "for_error", "for_plan", "for_report"]


class Declined(Exception):  # noqa: N818 -- it is an answer
    """Whoever was asked did not say yes."""
