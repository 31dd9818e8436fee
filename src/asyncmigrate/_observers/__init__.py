"""Observers of events: live progress, plain lines, logs."""
