"""What can go wrong in the graph itself; `agent.errors` gives each a status and an exit code."""


class GraphError(Exception):
    """The base of every error of this floor; its text may be shown to a person."""


class EmptyRequestError(GraphError):
    """There is nothing to answer."""


class WithheldError(GraphError):
    """What a model wrote is not handed on."""


class RequestTooLongError(GraphError):
    """The request alone does not fit into the model's window."""
