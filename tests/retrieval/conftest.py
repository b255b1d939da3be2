"""A past assignment, the real local embeddings, and an empty index in a temporary folder."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from retrieval import AssignmentIndex, Document, LocalEmbeddings, document_id

PAST_ASSIGNMENT = """\
---
title: Library API
language: Python
framework: FastAPI
topic: web API
complexity: medium
deadline: 2025-03-14
term: null
---
# Library API

## Brief

Build a REST API in Python that lends books. Members log in and get a token.

## Plan

| id | task_type | description | after |
|----|-----------|-------------|-------|
| t1 | project_setup | Create the package | - |

## Risks

- Tokens expired too early.

## Success criteria

- Every route has a test.

## Solution

Check the token in one place.

```python
# The comment is not a heading
def check(token: str) -> bool:
    return token in TOKENS
```

**What to watch.** Compare in constant time.
"""


@pytest.fixture(scope="session")
def embeddings() -> LocalEmbeddings:
    """Return the embeddings, loaded once for all tests."""
    return LocalEmbeddings()


@pytest.fixture
def index(tmp_path: Path, embeddings: LocalEmbeddings) -> Iterator[AssignmentIndex]:
    """Open an empty index."""
    opened = AssignmentIndex.open(tmp_path / "index", embeddings, LocalEmbeddings.identity)
    with closing(opened):
        yield opened


@pytest.fixture
def past_assignment(tmp_path: Path) -> Path:
    """Write a past assignment in the project's format."""
    path = tmp_path / "library-api.md"
    path.write_text(PAST_ASSIGNMENT, "utf-8")
    return path


@pytest.fixture
def make_document() -> Callable[..., Document]:
    """Return a maker of documents, of which only what matters need be given."""

    def make(
        text: str, *, name: str = "notes.md", course: str = "", past: bool = False
    ) -> Document:
        return Document(
            document_id=document_id(name, course=course),
            title=name.partition(".")[0],
            text=text,
            name=name,
            course=course,
            is_past_assignment=past,
        )

    return make
