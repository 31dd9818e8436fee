"""The pipeline: lookups, pages, rewrites, trims. The only place that spawns tasks."""
