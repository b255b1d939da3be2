"""`python -m agent.cli` is `assist`."""

from agent.cli import main

main()
