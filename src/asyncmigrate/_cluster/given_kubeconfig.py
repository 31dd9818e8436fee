"""A kubeconfig that is no file: a dict, a text, or the Secret in which Cluster API keeps a workload cluster's."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from typing import Any

from asyncmigrate.errors import ConfigError

GIVEN = "the kubeconfig that was given"
# What PyYAML lets through of a value that is not what its tag or its form says, such as `!!timestamp x` and 2026-02-31.
BAD_VALUE = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError)


def given_kubeconfig(
    given: str | bytes | os.PathLike[str] | Mapping[str, Any] | None,
) -> str | os.PathLike[str] | Mapping[str, Any] | None:
    """The kubeconfig as a dict, or the path to it as it is; no message quotes any of it.

    Raises:
        ConfigError: it is neither, or a text or Secret that holds none.
    """
    if isinstance(given, bytes) or (isinstance(given, str) and ("\n" in given or given.lstrip().startswith("{"))):
        return _parsed(given)
    if not isinstance(given, Mapping):
        return given
    if given.get("kind") == "Secret":
        return _parsed(_of_secret(given))
    if "clusters" not in given:
        raise ConfigError(f"{GIVEN}: it has no clusters: give what a kubeconfig file holds, or Cluster API's Secret")
    return given


def _of_secret(secret: Mapping[str, Any]) -> str:
    """What is under `value`: in `data` as base64, in `stringData` as it is."""
    found = {where: (secret.get(where) or {}).get("value") for where in ("stringData", "data")}
    if isinstance(found["stringData"], str):
        return found["stringData"]
    try:
        return base64.b64decode(found["data"] or "", validate=True).decode()
    except (binascii.Error, ValueError, TypeError):
        raise ConfigError(f"{GIVEN}: data.value of the Secret is not base64 of a text") from None


def _parsed(text: str | bytes) -> Mapping[str, Any]:
    import yaml  # noqa: PLC0415 -- rarely needed

    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, *BAD_VALUE, RecursionError):
        raise ConfigError(f"{GIVEN}: it is not valid YAML") from None
    if not isinstance(found, Mapping) or "clusters" not in found:
        raise ConfigError(f"{GIVEN}: it is no kubeconfig: it has no clusters")
    return found
