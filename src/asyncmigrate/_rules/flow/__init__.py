"""How much, how fast and when again: windows, rate limits and retries."""
