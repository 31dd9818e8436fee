"""Results as tables, as sentences and as JSON."""
