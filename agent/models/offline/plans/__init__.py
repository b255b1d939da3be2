"""Plans drafted by rules, from a brief and past plans."""
