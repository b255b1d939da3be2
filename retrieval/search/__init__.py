"""A query to ranked chunks: words, four signals, their weights, and what is shown of it."""
