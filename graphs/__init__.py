"""The decisions: the LangGraph state machine. It never imports `agent`."""
