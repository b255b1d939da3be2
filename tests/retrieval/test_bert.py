"""The network made from tensors computes what BERT is defined to compute."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.embedding.bert import INPUTS, build, read_config
from retrieval.errors import RetrievalError
from tests import tiny_bert

CONFIG = json.dumps(dict(tiny_bert.CONFIG)).encode()


def run(network: bytes, texts: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
    """Return the tokens' vectors of some texts, run as one padded batch."""
    onnxruntime = pytest.importorskip("onnxruntime")
    tokens = np.zeros((len(texts), max(map(len, texts))), np.int64)
    mask = np.zeros_like(tokens)
    for row, text in enumerate(texts):
        tokens[row, : len(text)], mask[row, : len(text)] = text, 1
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    inputs = dict(zip(INPUTS, (tokens, mask, np.zeros_like(tokens)), strict=True))
    states = session.run(None, inputs)[0]
    return [states[row, : len(text)] for row, text in enumerate(texts)]


def test_network_equals_reference_when_texts_are_padded() -> None:
    """NumPy by the definition agrees on each token, whatever the longest text of the batch is."""
    pytest.importorskip("onnx", reason="onnx, which makes the network, is not installed")
    weights = tiny_bert.tensors()
    texts = [[2, 4, 5, 6, 3], [2, 9, 3], [2, *range(4, 18), 3]]
    states = run(build(weights, read_config(CONFIG)), texts)
    for text, found in zip(texts, states, strict=True):
        assert np.allclose(found, tiny_bert.reference(weights, text), atol=1e-5)


def test_network_is_the_same_when_made_twice() -> None:
    """Its digest can be told to others."""
    pytest.importorskip("onnx", reason="onnx, which makes the network, is not installed")
    shape = read_config(CONFIG)
    assert build(tiny_bert.tensors(), shape) == build(tiny_bert.tensors(), shape)


@pytest.mark.parametrize(
    "spoiled", [None, np.zeros((9, 9), np.float32)], ids=["missing", "other dimensions"]
)
def test_tensor_is_refused_when_it_does_not_fit(spoiled: NDArray[np.float32] | None) -> None:
    """The config and the weights have to be of one model."""
    weights: dict[str, Any] = tiny_bert.tensors()
    name = "encoder.layer.1.output.dense.weight"
    del weights[name]
    if spoiled is not None:
        weights[name] = spoiled
    with pytest.raises(RetrievalError, match=f"{name}.*asks for \\(8, 16\\)"):
        build(weights, read_config(CONFIG))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"model_type": "roberta"}, "roberta"),
        ({"hidden_act": "relu"}, "relu"),
        ({"position_embedding_type": "relative_key"}, "relative_key"),
        ({"num_attention_heads": 3}, "3 heads"),
        ({"num_attention_heads": 0}, "0 heads"),
        ({"hidden_size": None}, "cannot be read"),
    ],
)
def test_config_is_refused_when_it_is_of_another_network(
    changed: dict[str, Any], says: str
) -> None:
    """Nothing is made that would compute something else."""
    with pytest.raises(RetrievalError, match=says):
        read_config(json.dumps({**tiny_bert.CONFIG, **changed}).encode())


@pytest.mark.parametrize("text", [b"", b"[]", b"\xff", b"{}"])
def test_config_is_refused_when_it_is_none(text: bytes) -> None:
    """Each kind of broken file is one error."""
    with pytest.raises(RetrievalError, match="cannot be read"):
        read_config(text)
