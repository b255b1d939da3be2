"""All that is indexed as it stood at one moment, ready to be searched.

It knows chunks and their rows; it knows nothing of Chroma or of how chunks are ranked.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from retrieval.search.ranking import Ranker
from retrieval.search.signals import terms_of
from retrieval.storing.rows import told

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from retrieval.search.profiles import Profile
    from retrieval.search.ranking import Candidate
    from retrieval.search.signals import Bools, Floats, Terms, Vectors
    from retrieval.sources import Section
    from retrieval.storing.rows import Entry, Row


class Scope(NamedTuple):
    """Which chunks may be found."""

    course: str
    """Its own documents and those without a course; empty: only the latter."""
    language: str
    """Empty: any."""
    kind: str
    """Empty: any."""
    sections: Sequence[Section]


class Snapshot:
    """Searches what was stored at one moment; shared between threads, it never changes."""

    def __init__(
        self,
        entries: Sequence[Entry],
        vectors: Floats,
        words: Vectors,
        profile: Profile,
        *,
        before: Snapshot | None = None,
    ) -> None:
        """Build the signals over some chunks.

        Args:
            entries: the chunks.
            vectors: their vectors, a row for each.
            words: gives the static vectors of words.
            profile: the weights.
            before: an earlier snapshot; what it has of unchanged chunks is used again.

        """
        self.held = entries
        """All chunks."""
        is_searched = np.array([is_open(entry.row) for entry in entries], np.bool_)
        entries = [entry for entry in entries if is_open(entry.row)]
        self.entries = entries
        """Those that are searched; what is withheld counts for nothing, not even for an idf."""
        known = before.terms if before else {}
        self.terms: dict[tuple[str, str], Terms] = {
            _key(entry): known.get(_key(entry)) or terms_of(told(entry), entry.row["title"])
            for entry in entries
        }
        terms = [self.terms[_key(entry)] for entry in entries]
        self.ranker = Ranker(terms, vectors[is_searched], words, profile)
        self._columns = {
            name: np.array([entry.row[name] for entry in entries], np.str_)
            for name in ("course", "language", "kind", "section")
        }
        self._of_document: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            self._of_document[entry.row["document_id"]].append(entry)

    def rank(self, query: str, vector: Sequence[float], scope: Scope) -> Iterator[Candidate]:
        """Return the chunks in scope, best first."""
        return self.ranker.rank(query, vector, self._visible(scope))

    def document(self, document_id: str) -> Sequence[Entry]:
        """Return the chunks of a document in their order; none if it may not be found."""
        entries = self._of_document.get(document_id, ())
        return sorted(entries, key=lambda entry: entry.row["position"])

    def section(self, document_id: str, section: Section) -> str:
        """Return one section of a document, whole; empty if it has none."""
        pieces = [
            entry.text for entry in self.document(document_id) if entry.row["section"] == section
        ]
        return "".join(pieces).strip()

    def _visible(self, scope: Scope) -> Bools:
        visible = (self._columns["course"] == "") | (self._columns["course"] == scope.course)
        for name, value in (("language", scope.language), ("kind", scope.kind)):
            if value:
                visible &= self._columns[name] == value
        shown: Bools = visible & np.isin(self._columns["section"], scope.sections)
        return shown


def is_open(row: Row) -> bool:
    """Return whether a chunk may be found: its document is not suspicious, or was released."""
    return not row["flags"] or row["released"]


def _key(entry: Entry) -> tuple[str, str]:
    """The digest is of the document's content, so that equal keys mean equal terms."""
    return entry.chunk_id, entry.row["digest"]
