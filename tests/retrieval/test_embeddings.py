"""The local embeddings: offline, guarded, and named."""

import hashlib
import logging
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from retrieval import LocalEmbeddings


def test_vectors_have_length_one(embeddings: LocalEmbeddings) -> None:
    """Each text gets a unit vector of 256 numbers, whatever stands beside it in the batch."""
    vectors = embeddings.embed_documents([f"sort a list {n}" + " more" * n for n in range(40)])
    assert {len(vector) for vector in vectors} == {256}
    assert all(math.isclose(math.hypot(*vector), 1, rel_tol=1e-5) for vector in vectors)
    assert vectors[0] == pytest.approx(embeddings.embed_query("sort a list 0"), abs=1e-6)


def test_empty_text_gives_zeros(embeddings: LocalEmbeddings) -> None:
    """No word, no direction; never a NaN."""
    assert embeddings.embed_documents(["", "word"])[0] == [0.0] * 256
    assert embeddings.embed_documents([]) == []


def test_model_is_loaded_once_for_many_threads() -> None:
    """Threads that come at the same time wait for one load."""
    fresh = LocalEmbeddings()
    with ThreadPoolExecutor(4) as pool:
        vectors = list(pool.map(fresh.embed_query, ["sort"] * 8))
    assert vectors == [vectors[0]] * 8


def test_import_leaves_logging_alone() -> None:
    """The package would set up the root logger; a new process shows that it does not."""
    code = (
        "import logging; from retrieval import LocalEmbeddings;"
        "LocalEmbeddings().embed_query('x');"
        "assert logging.root.handlers == [] and logging.root.level == logging.WARNING"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
    assert logging.root.level == logging.WARNING


def test_identity_changes_with_the_vectors() -> None:
    """When a release ships other vectors, this fails: then the identity has to change too."""
    spec = find_spec("wordllama")
    assert spec is not None
    assert spec.origin is not None
    weights = Path(spec.origin).parent / "weights" / "l2_supercat_256.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert (LocalEmbeddings.identity, digest[:8]) == ("wordllama:l2_supercat:256", "64b47a2d")
