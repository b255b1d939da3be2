"""The record of every LLM run: the callback handler that makes it and the store that keeps it."""
