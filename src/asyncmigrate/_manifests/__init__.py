"""CRDs out of YAML and JSON: where the text comes from, and what is read of it."""
