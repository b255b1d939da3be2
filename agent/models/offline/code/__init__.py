"""Code skeletons in the languages that are asked for."""
