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
    from retrieval.documents import Document, document_id, read_documents
    from retrieval.embeddings import LocalEmbeddings
    from retrieval.index import AddReport, AssignmentIndex, IndexStats
    from retrieval.matches import Attach

__all__ = [
    "AddReport",
    "AssignmentIndex",
    "Attach",
    "Document",
    "DocumentError",
    "IndexIdentityError",
    "IndexMissingError",
    "IndexStats",
    "LocalEmbeddings",
    "RetrievalError",
    "Section",
    "Source",
    "document_id",
    "read_documents",
]

_HOMES = {
    "AddReport": "retrieval.index",
    "AssignmentIndex": "retrieval.index",
    "Attach": "retrieval.matches",
    "Document": "retrieval.documents",
    "IndexStats": "retrieval.index",
    "LocalEmbeddings": "retrieval.embeddings",
    "document_id": "retrieval.documents",
    "read_documents": "retrieval.documents",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
