"""Chunks in Chroma, in a folder or on a server: written, kept fresh, and forgotten."""
