"""Which chat model serves which work."""
