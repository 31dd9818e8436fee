"""Observers of events: live progress, plain lines, logs; and the final results as tables and JSON."""
