"""Texts to vectors: static ones that need nothing, and MiniLM without torch."""
