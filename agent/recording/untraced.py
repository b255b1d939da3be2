"""Keeps LangChain's ambient tracer away from a graph that is invoked directly.

The ambient tracer knows no consent: with `LANGSMITH_TRACING` set it would send a student's
text from any `invoke`. LangChain adds it only where no tracer stands yet, so this one stands
there and sends nothing.
"""

from collections.abc import Mapping

from langchain_core.tracers import LangChainTracer
from langchain_core.tracers.base import BaseTracer


class Untraced(LangChainTracer):
    """A tracer in name alone; it opens no client and remembers no run."""

    def __init__(self) -> None:
        BaseTracer.__init__(self)  # the parent's own would open a LangSmith client and its thread
        self.tracing_metadata = None

    ignore_chain = True
    ignore_llm = True
    ignore_retriever = True
    ignore_agent = True
    ignore_chat_model = True
    ignore_custom_event = True
    ignore_retry = True

    def copy_with_metadata_defaults(
        self,
        *,
        metadata: Mapping[str, str] | None = None,
        tags: list[str] | None = None,
    ) -> LangChainTracer:
        """Stay as it is; there is nothing to which metadata could be added."""
        return self
