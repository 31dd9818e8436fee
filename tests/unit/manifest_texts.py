"""Manifests as people have them, each in a form of its own, after public reports: what tests of reading share."""

from __future__ import annotations

import gzip
import json

from tests.bed.scenes import Manifest, crd

# With what a schema may hold: `=` is a word of YAML 1.1 that PyYAML cannot make anything of.
WIDGETS = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: widgets.example.com
  labels: {app: web}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          op:
            type: string
            description: |
              **bold** words
              && more
            enum:
            - =
            - '!='
"""
GADGETS = WIDGETS.replace("widgets", "gadgets").replace("Widget", "Gadget")
JSON_WIDGETS = json.dumps(crd("example.com", "v1", "v1"))
JSON_GADGETS = json.dumps(crd("example.com", "v1", "v1", plural="gadgets"))
CONFIGMAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: components}\n"
_INDENTED = "".join(f"    {line}\n" for line in WIDGETS.splitlines())

ONE, TWO = ["widgets.example.com"], ["widgets.example.com", "gadgets.example.com"]

# Each with the names of its CRDs; what comes of it is the same with kubectl 1.32, but for what the name says of it.
READ: dict[str, tuple[str | bytes, list[str]]] = {
    "CRLF, a bare = and Markdown": (WIDGETS.replace("\n", "\r\n"), ONE),  # prometheus-community/helm-charts#6502
    "CRLF and an alias": (f"x: &x 1\ny: *x\n{WIDGETS}".replace("\n", "\r\n"), ONE),
    "lines that end in CR": (WIDGETS.replace("\n", "\r"), ONE),
    "an alias beside a bare =": (f"x: &x 1\ny: *x\n{WIDGETS}", ONE),
    "an anchor defined twice": (f"x: [&all 1, &all 2, *all]\n{WIDGETS}", ONE),  # kubernetes.core#189
    "a merge key": (WIDGETS.replace("  scope:", "  <<: &s {scope: Cluster}\n  x: *s\n  y:"), ONE),
    "JSON back to back": (f"{JSON_WIDGETS}\n{JSON_GADGETS}", TWO),  # istio/old_pilot_repo#1108
    "JSON without anything between": (f" {JSON_WIDGETS}{JSON_GADGETS}\n", TWO),
    "JSON of several lines back to back": (f"{{\n}}{{{JSON_WIDGETS[1:]}".replace("{\n}", JSON_GADGETS), TWO[::-1]),
    "YAML, then JSON": (f"{GADGETS}---\n{JSON_WIDGETS}", TWO[::-1]),
    "a BOM": (f"\ufeff{WIDGETS}", ONE),
    "a BOM before the second document": (f"{WIDGETS}---\n\ufeff{GADGETS}", TWO),  # helm/helm#6081
    "UTF-16 of Windows": (WIDGETS.encode("utf-16"), ONE),  # kubernetes/kubernetes#140549
    "UTF-16, big-endian": (b"\xfe\xff" + WIDGETS.encode("utf-16-be"), ONE),
    "bytes that are no UTF-8": (b"# \xe9\n" + WIDGETS.encode(), ONE),
    "a label without a value": (WIDGETS.replace("{app: web}", "\n    helm.sh/chart:"), ONE),  # kubectl#1743
    "no labels": (WIDGETS.replace("{app: web}", ""), ONE),
    "served: yes": (WIDGETS.replace("served: true", "served: yes"), ONE),  # kubernetes/kubernetes#34146
    "served: y": (WIDGETS.replace("served: true", "served: y"), ONE),
    "served: !!bool On": (WIDGETS.replace("served: true", "served: !!bool On"), ONE),
    "served: without a value": (WIDGETS.replace("served: true", "served:"), ONE),
    "a tag that nobody knows": (WIDGETS.replace("scope: ", "scope: !mine "), ONE),
    "a tab after a colon": (WIDGETS.replace("scope: ", "scope:\t"), ONE),
    "quotes that go on at the start of a line": (f"x: 'a\nb'\n{WIDGETS}", ONE),
    "keys that are no text": (f"1: a\ntrue: b\n{WIDGETS}", ONE),
    "a key twice": (f"kind: X\n{WIDGETS}", ONE),
    "binary": (f"x: !!binary aGVsbG8=\n{WIDGETS}", ONE),
    "a template in a comment": (f"# {{{{ a }}}}\n{WIDGETS}", ONE),
    # On purpose more than kubectl:
    "gzip": (gzip.compress(WIDGETS.encode()), ONE),
    "gzip, put together": (gzip.compress(WIDGETS.encode()) + gzip.compress(f"---\n{GADGETS}".encode()), TWO),
    "a document after ... (kubectl leaves it out in silence)": (f"{WIDGETS}...\n{GADGETS}", TWO),
    "a BOM before a mark (kubectl: an error)": (f"{WIDGETS}\ufeff---\n{GADGETS}", TWO),
    "JSON, then YAML (kubectl: an error)": (f"{JSON_WIDGETS}\n---\n{GADGETS}", TWO),
    "%YAML 1.2 (kubectl: an error)": (f"%YAML 1.2\n---\n{WIDGETS}", ONE),
}


def laughs(levels: int, form: str = "{name}: &{name} [{items}]\n") -> str:
    """A bomb: each level is ten times the one before it. `form` has a line of it."""
    lines = [form.format(name="a0", items=",".join("x" * 10))]
    lines += [form.format(name=f"a{n}", items=",".join([f"*a{n - 1}"] * 10)) for n in range(1, levels)]
    return "".join(lines)


def nested_lists(levels: int) -> str:
    """A bomb of Lists, each ten times in the next one."""
    head = "apiVersion: v1\nkind: List\nitems:\n- &a0 {apiVersion: v1, kind: List, items: []}\n"
    form = "- &a{} {{apiVersion: v1, kind: List, items: [{}]}}\n"
    return head + "".join(form.format(n, ", ".join([f"*a{n - 1}"] * 10)) for n in range(1, levels))


TEMPLATE = f"{{{{- if .Values.crds.install }}}}\n{WIDGETS}{{{{- end }}}}\n"  # helm/helm#9429
HOLDER = f"{CONFIGMAP}data:\n  components: |\n{_INDENTED}"  # kubernetes-sigs/cluster-api-operator#192

# Each with what is said of it.
REFUSED: dict[str, tuple[str | bytes, str]] = {
    "a chart's template": (TEMPLATE, "a template, not a manifest ({{ at line 1): render it first"),
    "a ConfigMap that holds CRDs": (HOLDER, "ConfigMap components holds CRDs as text (data, components): get them out"),
    "a bomb behind tags": (laughs(7, "{name}: !!seq &{name} [{items}]\n"), "too many (for kubectl, too)"),
    "a bomb of Lists": (nested_lists(6), "too many (for kubectl, too)"),
}


def crds_of(*plurals: str) -> list[Manifest]:
    """CRDs, to be written in some form."""
    return [crd("example.com", "v1", "v1", plural=plural) for plural in plurals]
