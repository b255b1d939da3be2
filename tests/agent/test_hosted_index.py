"""`ASSIST_CHROMA_URL`: the index on a Chroma server, through the same commands and questions."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from agent.knowledge import Knowledge
from agent.settings import Settings
from retrieval import Profile, RetrievalError
from retrieval.search.profiles import LOCAL, SERVED
from tests.agent.test_assistant import NOTE
from tests.retrieval.keeping import chroma_server
from tests.servers.running import free_port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run Chroma's own server on loopback."""
    with chroma_server(tmp_path_factory.mktemp("server")) as url:
        yield url


def test_index_on_a_server_is_one_for_all_processes(server: str, tmp_path: Path) -> None:
    """Two data directories, one index: added here, found there, removed there, gone here."""
    (tmp_path / "note.md").write_text(NOTE, "utf-8")
    here, there = (
        Knowledge(Settings(data_dir=tmp_path / name, chroma_url=server)) for name in ("a", "b")
    )
    assert here.add(tmp_path / "note.md").added == 1
    (found,) = there.search("count words in Python")
    assert found["place"] == "note.md, Counting"
    (row,) = there.find(["note.md"])
    assert there.index.remove([row["document_id"]]) == 1
    assert here.stats().documents == 0
    assert here.add(tmp_path / "note.md").added == 1
    assert here.rebuild() == 1
    assert here.stats().path == server
    assert len(there.search("count words in Python")) == 1
    assert not (tmp_path / "a" / "index").exists()
    here.close()
    there.close()


@pytest.mark.parametrize(("name", "profile"), [("local", LOCAL), ("openai:any", SERVED)])
def test_embedding_brings_its_weights(tmp_path: Path, name: str, profile: Profile) -> None:
    """Vectors of a language model count for more than static ones."""
    knowledge = Knowledge(
        Settings(data_dir=tmp_path, embeddings=name, openai_base_url="http://127.0.0.1:9/v1")
    )
    assert knowledge.index._profile == profile
    knowledge.close()


def test_server_that_does_not_answer_is_named_without_its_token(tmp_path: Path) -> None:
    """What to do is said, and the token is not."""
    url = f"http://127.0.0.1:{free_port()}"
    token = SecretStr("chroma-secret-token")
    knowledge = Knowledge(Settings(data_dir=tmp_path, chroma_url=url, chroma_token=token))
    with pytest.raises(RetrievalError, match="cannot be reached") as caught:
        knowledge.stats()
    assert url in str(caught.value)
    assert "secret" not in str(caught.value)
