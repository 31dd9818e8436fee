"""Observers of events: live progress, plain lines, logs, the events file, metrics."""
