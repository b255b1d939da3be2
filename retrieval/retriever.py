"""The index as LangChain's retrievers are: callbacks hear of a search and of what it found."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    BaseCallbackManager,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables.config import patch_config, var_child_runnable_config
from pydantic import PrivateAttr
from typing_extensions import override

from retrieval.sources import Source

_WHOLE = {"passage", "plan", "solution"}
"""What of a source is too long for metadata."""


class AssignmentRetriever(BaseRetriever):
    """Searches past assignments; see `AssignmentIndex.as_retriever`.

    A document's content is the passage. Its metadata says where that stands and why it was found:
    `document_id`, `title`, `section`, `place`, `language`, `course`, `score`, `parts`, `matched`
    and `number`.
    """

    name: str | None = "past_assignments"
    find: Callable[[str], Awaitable[list[Source]]]
    search: Callable[[str], list[Source]] | None = None
    """Does the same where no event loop runs."""
    _found: list[Source] = PrivateAttr(default_factory=list)

    @property
    def found(self) -> list[Source]:
        """What the last search found, with all that the documents of a callback leave out."""
        return self._found

    @override
    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
    ) -> list[Document]:
        with _below(run_manager.get_child()):
            self._found = await self.find(query)
        return [_document(source) for source in self._found]

    @override
    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        if self.search is None:
            raise NotImplementedError("This search is asynchronous; use `ainvoke`.")
        with _below(run_manager.get_child()):
            self._found = self.search(query)
        return [_document(source) for source in self._found]


@contextmanager
def _below(callbacks: BaseCallbackManager) -> Iterator[None]:
    """Make what is called to find something, such as embeddings, a child of the search."""
    token = var_child_runnable_config.set(patch_config(None, callbacks=callbacks))
    try:
        yield
    finally:
        var_child_runnable_config.reset(token)


def _document(source: Source) -> Document:
    """Return what a callback is shown: the passage, where it is from and why it was found."""
    shown = {key: value for key, value in source.items() if key not in _WHOLE}
    return Document(source["passage"], metadata=shown)
