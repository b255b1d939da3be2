"""Find the past assignments that a request is grounded in."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Literal

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables.config import patch_config, var_child_runnable_config
from pydantic import PrivateAttr
from typing_extensions import override

from graphs.context import Context, Services
from graphs.state import PromptType, State, StateUpdate
from retrieval import Source

_ATTACH: Mapping[PromptType, Literal["plan", "solution", ""]] = {
    "planning": "plan",
    "chat": "",
    "codegen": "solution",
}
_SHORT = 40
"""A message shorter than this says too little alone; it is searched with what came before."""
_LONG = 300
"""An earlier message longer than this is an assignment text, which would drown the question."""


async def retrieve(state: State, context: Context, *, services: Services) -> StateUpdate:
    """Search the past assignments of the request's course."""
    attach = _ATTACH[state["prompt_type"]]
    retriever = _PastAssignments(
        find=partial(services.retrieve, course=context.course, attach=attach)
    )
    await retriever.ainvoke(_query(state, context))
    return {"sources": retriever.found}


class _PastAssignments(BaseRetriever):
    """One search as LangChain's retrievers do it, so that callbacks hear of it."""

    name: str | None = "past_assignments"
    find: Callable[[str], Awaitable[list[Source]]]
    _found: list[Source] = PrivateAttr(default_factory=list)

    @property
    def found(self) -> list[Source]:
        """What the search found, with all that the documents of a callback leave out."""
        return self._found

    @override
    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
    ) -> list[Document]:
        # What is called to find them, such as embeddings, is a child of this run.
        child = patch_config(None, callbacks=run_manager.get_child())
        token = var_child_runnable_config.set(child)
        try:
            self._found = await self.find(query)
        finally:
            var_child_runnable_config.reset(token)
        return [_document(source) for source in self._found]

    @override
    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        raise NotImplementedError("The search is asynchronous; use `ainvoke`.")


def _document(source: Source) -> Document:
    """Return what a callback is shown: the passage, and where it is from."""
    return Document(
        source["passage"],
        metadata={
            "document_id": source["document_id"],
            "title": source["title"],
            "section": source["section"],
            "place": source["place"],
            "language": source["language"],
            "score": source["score"],
            "number": source["number"],
        },
    )


def _query(state: State, context: Context) -> str:
    """Return what is searched for: the request, and its context where it is short."""
    request = state["request"]
    if state["prompt_type"] == "planning" and context.assignment:
        return context.assignment["brief"]
    if len(request) >= _SHORT:
        return request
    earlier = [m.text for m in state["messages"] if m.type == "human"][:-1]
    asked = [text for text in earlier[-1:] if text.strip() and len(text) <= _LONG]
    title = [context.assignment["title"]] if context.assignment else []
    return "\n".join([request, *asked, *title])
