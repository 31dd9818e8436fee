"""Decisions without I/O: they neither await, log, sleep nor read clocks."""
