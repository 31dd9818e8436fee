"""When something may be called settled, proven, resumed or trimmed. Each rule closes a way to lose an object."""
