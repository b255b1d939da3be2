"""The package as a whole: cheap to import, complete in its exports."""

import subprocess
import sys
from pathlib import Path

import pytest

import retrieval


def test_import_is_cheap() -> None:
    """Other floors import `Source` and should not pay for Chroma."""
    code = (
        "import sys, retrieval;"
        "heavy = {'chromadb', 'wordllama', 'langchain_core', 'numpy', 'frontmatter'};"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys();"
        "from retrieval import AssignmentIndex;"
        "assert 'chromadb' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_every_exported_name_is_there() -> None:
    """Each name in `__all__` can be had, and no other."""
    assert all(getattr(retrieval, name) is not None for name in retrieval.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        retrieval.Nothing  # noqa: B018 - the access is the test
