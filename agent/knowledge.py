"""The index of past assignments, opened when it is first needed and shared from then on."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from agent.errors import InputError, SettingsError
from agent.models.catalogue import replaces_personal_data
from agent.models.embeddings import is_served, make_embeddings
from agent.privacy.redactors import outbound_redactor
from agent.settings import Settings
from retrieval import Source

if TYPE_CHECKING:
    from langchain_core.callbacks import BaseCallbackHandler

    from agent.models.embeddings import IndexEmbeddings
    from retrieval.index import AddReport, AssignmentIndex, IndexStats
    from retrieval.reading.documents import Document
    from retrieval.storing.rows import Entry, Row

Progress = Callable[[int, int], None]
"""Told how much is done, and how much there is."""


class Knowledge:
    """Searches and fills the index; embeddings and Chroma are loaded with the first use.

    Args:
        settings: Where the index lies, and its embeddings.
        callbacks: Hear of each call for embeddings, also where none is part of a run.
        before_request: Waits until a request for embeddings may leave; what it raises keeps
            the request here.

    """

    def __init__(
        self,
        settings: Settings,
        *,
        callbacks: "Sequence[BaseCallbackHandler]" = (),
        before_request: Callable[[], None] | None = None,
    ) -> None:
        self._settings = settings
        self._callbacks = callbacks
        self._before_request = before_request
        self._replaces = is_served(settings) and replaces_personal_data(
            settings, settings.openai_url
        )
        """Whether the embeddings' server gets questions with placeholders for personal data."""
        self._index: AssignmentIndex | None = None
        self._embeddings: IndexEmbeddings | None = None
        self._opening = threading.Lock()

    async def retrieve(
        self, query: str, *, course: str = "", attach: Literal["plan", "solution", ""] = ""
    ) -> list[Source]:
        """Find passages without holding up the event loop."""
        redactor = outbound_redactor() if self._replaces else None

        def find() -> list[Source]:
            asked = redactor.redact(query).text if redactor else query
            return self.search(asked, course=course, attach=attach)

        return await asyncio.to_thread(find)

    def search(
        self,
        query: str,
        *,
        course: str = "",
        language: str = "",
        kind: str = "",
        attach: Literal["plan", "solution", ""] = "",
        limit: int = 4,
    ) -> list[Source]:
        """Find passages of past assignments, best first.

        Raises:
            IndexMissingError: nothing is indexed.
        """
        return self.index.search(
            query, course=course, language=language, kind=kind, attach=attach, limit=limit
        )

    def add(
        self,
        path: Path,
        *,
        course: str = "",
        on_document: Callable[[int], None] = lambda _: None,
    ) -> "AddReport":
        """Index a file or a folder; what is there unchanged stays as it is.

        Args:
            path: What to read.
            course: Whose members may see it; empty: everyone.
            on_document: Told how many documents have been read.

        Raises:
            DocumentError: a file cannot be read as a document.
        """
        from retrieval.reading.documents import read_documents

        def told() -> "Iterator[Document]":
            for number, document in enumerate(read_documents(path, course=course), start=1):
                yield document
                on_document(number)

        return self.index.add(told())

    def find(
        self, names: Sequence[str], *, course: str | None = None, author: str = ""
    ) -> "list[Row]":
        """Return the documents of some names or ids, or all those of an author.

        Args:
            names: What documents are called, or their ids; none where an author is given: all.
            course: Documents of this course alone; empty: those without one.
            author: The name of a student, as documents give it.

        Raises:
            InputError: nothing is asked for, or a name is of no document or of several.
        """
        from retrieval.reading.records import author_id

        if not names and not author:
            raise InputError("Which documents? Give names or ids, as `assist index list` has them.")
        found = [
            row
            for row in self.index.documents()
            if course in {None, row["course"]}
            and (not author or row["author"] == author_id(author))
            and (not names or not _called(row).isdisjoint(names))
        ]
        if author and not found:
            raise InputError(
                "Nothing in the index is by that author. Check how the name is spelled."
            )
        for name in names:
            meant = [row["document_id"] for row in found if name in _called(row)]
            if not meant:
                raise InputError(f"{name!r} is no document of the index. Run: assist index list")
            if len(meant) > 1:
                raise InputError(
                    f"{name!r} is {len(meant)} documents. Say which: {', '.join(meant)}"
                )
        return found

    def document(self, document_id: str) -> "Sequence[Entry]":
        """Return the chunks of a document in their order; none if it may not be found."""
        return self.index.document(document_id)

    def rebuild(self, on_progress: Progress | None = None) -> int:
        """Embed everything again with the embedding that is configured, and count the chunks."""
        self.close()
        with self._opening:
            self._index = self._load(rebuild=True, on_progress=on_progress)
        return self.stats().chunks

    def stats(self) -> "IndexStats":
        """Say what the index holds."""
        return self.index.stats()

    @property
    def index(self) -> "AssignmentIndex":
        """The open index."""
        with self._opening:
            if self._index is None:
                self._index = self._load()
            return self._index

    def _load(
        self, *, rebuild: bool = False, on_progress: Progress | None = None
    ) -> "AssignmentIndex":
        from retrieval.index import AssignmentIndex

        settings = self._settings
        made = make_embeddings(
            settings, callbacks=self._callbacks, before_request=self._before_request
        )
        load = (
            partial(AssignmentIndex.rebuild, on_progress=on_progress)
            if rebuild
            else AssignmentIndex.open
        )
        try:
            index = load(
                settings.chroma_url or settings.index_path,
                made.embeddings,
                made.identity,
                profile=made.profile,
                token=settings.chroma_token,
            )
        except BaseException:
            made.close()
            raise
        self._embeddings = made
        return index

    def close(self) -> None:
        """Give the index's files and the embeddings' connections back."""
        with self._opening:
            if self._index is not None:
                self._index.close()
                self._index = None
            if self._embeddings is not None:
                self._embeddings.close()
                self._embeddings = None


def _called(row: "Row") -> set[str]:
    return {row["name"], row["document_id"]}


def bundled_assignments() -> Path:
    """Return the folder of past assignments that come with the project.

    Raises:
        SettingsError: they were not installed.
    """
    for folder in _places():
        if folder.is_dir():
            return folder
    raise SettingsError(
        "The bundled past assignments are missing from this installation. "
        "Index your own instead: assist index add PATH"
    )


def _places() -> Iterator[Path]:
    package = Path(str(files("agent")))
    yield package / "examples"
    yield package.parent / "examples" / "past-assignments"
