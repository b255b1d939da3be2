"""Who may be written down, and for how long."""
