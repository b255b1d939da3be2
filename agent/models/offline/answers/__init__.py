"""Chat answers put together of quotes."""
