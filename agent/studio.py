"""The graph for LangGraph Studio: the factory that `langgraph.json` names.

`langgraph dev` imports this file and asks it for the graph with every request. Model calls
are recorded as everywhere else, but these things are not protected there:

- The server keeps its threads, and the text in them, in clear in files of its own.
- It asks nobody who they are, and believes what a client sends as `context`: the model, the
  assignment, the run id, and the course whose documents are searched.
- It believes what a client sends as metadata, and so does the record, save for the person.

It is a developer's tool for one machine; students are served by `server.py`.
"""

import asyncio
import threading
from functools import cache
from typing import TYPE_CHECKING

import retrieval.storing.store  # noqa: F401 - see below
from agent.blocking import Assistant

if TYPE_CHECKING:
    from graphs.build import AssistantGraph

# Chroma is loaded here, before the server serves. With the first search it would load NumPy in
# that search's thread, at the moment when the server's JSON encoder may load NumPy in its own,
# and two threads that load NumPy at once can both end in an ImportError.

_OPENING = threading.Lock()
"""The first requests come together, and one of them opens."""


async def open_graph() -> "AssistantGraph":
    """Return the recorded graph; opening it does not hold up the server.

    Raises:
        StorageError: a store cannot be used; the next call tries anew.
    """
    return await asyncio.to_thread(_graph)


def _graph() -> "AssistantGraph":
    with _OPENING:
        return _assistant().graph


@cache
def _assistant() -> Assistant:
    """Open the one assistant of this process; the end of the process closes it."""
    return Assistant()
