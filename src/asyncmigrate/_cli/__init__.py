"""The command: options, exit codes, signals, and which observer shows what."""
