"""Bytes to model: decodes just the fields that are used, and tells an API server's answer from anything else."""
