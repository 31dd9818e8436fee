"""What `plan` and `run` return. All of it is public and frozen."""
