"""What people give for a manifest that is none, or that holds CRDs where nobody looks: what it is, and what to do."""

from __future__ import annotations

import base64
import re
import zlib
from typing import Any

# A template's mark where YAML has a value, or at the start of a line; in quoted text it is none.
_TEMPLATE = re.compile(r"(?:^[ \t]*|[:-][ \t]+)(?:\{\{|\{%)", re.MULTILINE)
_VARIABLE = re.compile(r"\$\{(?<=[:-] \$\{)\w{1,64}\}")
_CONFLICT = re.compile(r"^(?:<{7} |>{7} )", re.MULTILINE)
_HOLDS_CRD = re.compile(r"kind[\"']?:\s{0,4}[\"']?CustomResourceDefinition\b")
_LOOKED_AT = 1 << 20  # characters of what is packed inside a Secret or a ConfigMap
_BUNDLE = "operators.operatorframework.io.bundle.manifests.v1"


def of_text(text: str) -> str:
    """What a text is that cannot be read as manifests; empty if that is not known."""
    begin = text[:1000].lstrip().lower()
    if begin.startswith(("<!doctype html", "<html")):
        return "a page of HTML, not a manifest: give the URL of the raw file, and log in or fetch it yourself if needed"
    if begin.startswith("<"):
        return "XML or HTML, not a manifest: look at what that address or file is"
    if begin.startswith("version https://git-lfs"):
        return "a pointer of Git LFS, not the file itself: run `git lfs pull`"
    if found := _CONFLICT.search(text):
        return f"a merge was left unfinished at {_line(text, found)}: resolve the conflict"
    if found := _TEMPLATE.search(text):
        mark = found[0][-2:]
        return (
            f"a template, not a manifest ({mark} at {_line(text, found)}): render it first, for a chart with "
            f"`helm template --include-crds`, and give -f what comes out"
        )
    if found := _VARIABLE.search(text):
        return (
            f"a template, not a manifest ({found[0]} at {_line(text, found)}): fill in its variables first, for "
            f"example with `envsubst` or `clusterctl generate`"
        )
    return ""


def _line(text: str, found: re.Match[str]) -> str:
    return f"line {text.count(chr(10), 0, found.end()) + 1}"


def of_document(document: dict[Any, Any]) -> str:
    """What a document is that is no manifest itself, and whose neighbours may be none either; empty if it is one."""
    api_version, kind = str(document.get("apiVersion", "")), document.get("kind")
    is_kustomize = api_version.startswith("kustomize.config.k8s.io/") or (
        not kind and {"resources", "bases", "patches", "components"} & document.keys()
    )
    if is_kustomize:
        return (
            "a kustomization, which names manifests and changes them: build it, and give what comes out, "
            "for example `kubectl kustomize FOLDER | asyncmigrate plan -f -`"
        )
    if str(document.get("schema", "")).startswith("olm."):
        return "an OLM catalog: give the folder manifests/ of the operator's bundle, which has the CRDs"
    annotations = document.get("annotations")
    if not kind and isinstance(annotations, dict) and _BUNDLE in annotations:
        return f"metadata of an OLM bundle, no manifest: give its folder {annotations[_BUNDLE]} alone"
    if not kind and api_version in {"v1", "v2"} and {"name", "version"} <= document.keys():
        return (
            "a Helm chart's Chart.yaml: render the chart with `helm template --include-crds`, and give what comes out"
        )
    return ""


def of_holder(document: dict[Any, Any]) -> str:
    """Where a Kubernetes object holds or names CRDs without being one; empty if it does not."""
    kind, metadata = document.get("kind"), document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if kind in {"ConfigMap", "Secret"}:
        for field in ("data", "stringData", "binaryData"):
            fields = document.get(field)
            for key, value in fields.items() if isinstance(fields, dict) else ():
                if isinstance(value, str) and (pipe := _pipe(value, field, in_secret=kind == "Secret")) is not None:
                    way = f"yq -r '.{field}[\"{key}\"]' FILE{pipe} | asyncmigrate plan -f -"
                    return f"{kind} {name} holds CRDs as text ({field}, {key}): get them out, for example `{way}`"
    if kind == "ClusterServiceVersion":
        return f"ClusterServiceVersion {name} only names its CRDs: give the whole folder manifests/ of its OLM bundle"
    if kind == "Template" and _has_crd(document.get("objects")):
        return f"Template {name} holds CRDs: render it with `oc process`, and give what comes out"
    return ""


def _pipe(value: str, field: str, *, in_secret: bool) -> str | None:
    """What a shell has to do to a value to get at the CRDs in it; None where there are none."""
    if field == "stringData" or (field == "data" and not in_secret):
        return "" if _HOLDS_CRD.search(value) else None
    try:
        plain = base64.b64decode(value[: _LOOKED_AT // 3 * 4])
        packed = plain.startswith(b"\x1f\x8b")
        if packed:
            plain = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(plain, _LOOKED_AT)
    except (ValueError, zlib.error):
        return None
    found = _HOLDS_CRD.search(plain.decode("utf-8", "replace"))
    return (" | base64 -d" + " | gunzip" * packed) if found else None


def _has_crd(objects: object) -> bool:
    return isinstance(objects, list) and any(
        isinstance(one, dict) and one.get("kind") == "CustomResourceDefinition" for one in objects
    )
