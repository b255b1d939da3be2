"""The knowledge: documents -> chunks -> embeddings -> one Chroma index -> quoted sources.

It knows nothing of prompts, graphs or people. What needs a heavy package is imported at
its first use, so that `import retrieval` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from retrieval.errors import (
    DocumentError,
    IndexIdentityError,
    IndexMissingError,
    RetrievalError,
)
from retrieval.sources import Section, Source

if TYPE_CHECKING:
    from retrieval.embedding.local import LocalEmbeddings
    from retrieval.index import AddReport, AssignmentIndex, IndexStats
    from retrieval.reading.documents import Document, document_id, read_documents
    from retrieval.retriever import AssignmentRetriever
    from retrieval.search.matches import Attach
    from retrieval.search.profiles import Profile

__all__ = [
    "AddReport",
    "AssignmentIndex",
    "AssignmentRetriever",
    "Attach",
    "Document",
    "DocumentError",
    "IndexIdentityError",
    "IndexMissingError",
    "IndexStats",
    "LocalEmbeddings",
    "Profile",
    "RetrievalError",
    "Section",
    "Source",
    "document_id",
    "read_documents",
]

_HOMES = {
    "AddReport": "retrieval.index",
    "AssignmentIndex": "retrieval.index",
    "AssignmentRetriever": "retrieval.retriever",
    "Attach": "retrieval.search.matches",
    "Document": "retrieval.reading.documents",
    "IndexStats": "retrieval.index",
    "LocalEmbeddings": "retrieval.embedding.local",
    "Profile": "retrieval.search.profiles",
    "document_id": "retrieval.reading.documents",
    "read_documents": "retrieval.reading.documents",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
