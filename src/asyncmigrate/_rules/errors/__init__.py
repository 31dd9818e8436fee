"""What an error means. No other folder reads the text of a server's message."""
