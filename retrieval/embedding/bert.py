"""A BERT encoder as an ONNX graph, made from its tensors and its config.

It knows the layout of BERT; it knows nothing of files, tokens or what the vectors are for.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from retrieval.errors import RetrievalError

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
OUTPUT = "last_hidden_state"
_OPSET = 17
"""The first one with LayerNormalization."""
_IR_VERSION = 8
"""The file format of that opset's time, which each runtime since then reads."""
_FAR_BELOW = -1e9
"""Added to the attention that a padding would get; nothing is left of it after the softmax."""


class Shape(NamedTuple):
    """The numbers of a BERT that its tensors have to agree with."""

    layers: int
    heads: int
    size: int
    inner: int
    words: int
    positions: int
    types: int
    epsilon: float


def read_config(text: bytes) -> Shape:
    """Return the numbers of a `config.json`.

    Raises:
        RetrievalError: it describes another network than a BERT with absolute positions and GELU.
    """
    try:
        config = json.loads(text)
        kind = (
            config["model_type"],
            config["hidden_act"],
            config.get("position_embedding_type", "absolute"),
        )
        shape = Shape(
            layers=int(config["num_hidden_layers"]),
            heads=int(config["num_attention_heads"]),
            size=int(config["hidden_size"]),
            inner=int(config["intermediate_size"]),
            words=int(config["vocab_size"]),
            positions=int(config["max_position_embeddings"]),
            types=int(config["type_vocab_size"]),
            epsilon=float(config["layer_norm_eps"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RetrievalError(
            f"The model's config.json cannot be read ({error!r}). Use the weights' own file."
        ) from error
    if kind != ("bert", "gelu", "absolute") or shape.heads < 1 or shape.size % shape.heads:
        raise RetrievalError(
            f"The model's config.json describes {kind!r} with {shape.heads} heads of together "
            f"{shape.size} numbers. Only BERT with GELU and absolute positions can be made."
        )
    return shape


def build(tensors: Mapping[str, "NDArray[float32]"], shape: Shape) -> bytes:
    """Return the ONNX file of the network, in 32-bit numbers; one output, a vector a token.

    Raises:
        RetrievalError: a tensor is missing or has other dimensions than the config says.
    """
    for name, expected in _expected(shape).items():
        found = tuple(tensors[name].shape) if name in tensors else None
        if found != expected:
            raise RetrievalError(
                f"The weights' tensor {name!r} is {found or 'missing'}, and the config asks for "
                f"{expected}. Use weights and config of one model."
            )
    graph = _Graph(tensors, shape)
    states = graph.embedded()
    for layer in range(shape.layers):
        states = graph.layer(states, f"encoder.layer.{layer}")
    return graph.finished(states)


def _expected(shape: Shape) -> dict[str, tuple[int, ...]]:
    size, inner = shape.size, shape.inner
    norm = {"weight": (size,), "bias": (size,)}
    found: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (shape.words, size),
        "embeddings.position_embeddings.weight": (shape.positions, size),
        "embeddings.token_type_embeddings.weight": (shape.types, size),
    }
    found |= {f"embeddings.LayerNorm.{part}": of for part, of in norm.items()}
    linear = {
        "attention.self.query": (size, size),
        "attention.self.key": (size, size),
        "attention.self.value": (size, size),
        "attention.output.dense": (size, size),
        "intermediate.dense": (inner, size),
        "output.dense": (size, inner),
    }
    for layer in range(shape.layers):
        at = f"encoder.layer.{layer}"
        for name, (out, into) in linear.items():
            found |= {f"{at}.{name}.weight": (out, into), f"{at}.{name}.bias": (out,)}
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            found |= {f"{at}.{name}.{part}": of for part, of in norm.items()}
    return found


@dataclass
class _Graph:
    """Nodes and constants, collected; a method returns the name of what it computes."""

    tensors: Mapping[str, "NDArray[float32]"]
    shape: Shape

    def __post_init__(self) -> None:
        self.onnx: Any = import_module("onnx")
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.mask = ""

    def embedded(self) -> str:
        """Add up the vectors of word, place and kind of each token."""
        numbers, _, kinds = INPUTS
        word = self._node("Gather", self._tensor("embeddings.word_embeddings.weight"), numbers)
        kind = self._node("Gather", self._tensor("embeddings.token_type_embeddings.weight"), kinds)
        length = self._node("Shape", numbers, start=1, end=2)
        place = self._node(
            "Slice",
            self._tensor("embeddings.position_embeddings.weight"),
            self._whole("zero", [0]),
            length,
            self._whole("zero", [0]),
        )
        total = self._node("Add", self._node("Add", word, place), kind)
        self._mask()
        return self._norm(total, "embeddings.LayerNorm")

    def layer(self, states: str, at: str) -> str:
        """Let the tokens attend to each other, then pass each through two dense layers."""
        attended = self._dense(self._attended(states, at), f"{at}.attention.output.dense")
        states = self._norm(self._node("Add", attended, states), f"{at}.attention.output.LayerNorm")
        inner = self._gelu(self._dense(states, f"{at}.intermediate.dense"))
        return self._norm(
            self._node("Add", self._dense(inner, f"{at}.output.dense"), states),
            f"{at}.output.LayerNorm",
        )

    def finished(self, states: str) -> bytes:
        """Return the file of all that was added; `states` is its output."""
        helper, whole = self.onnx.helper, self.onnx.TensorProto.INT64
        self._node("Identity", states, output=OUTPUT)
        graph = helper.make_graph(
            self.nodes,
            "bert",
            [helper.make_tensor_value_info(name, whole, ["texts", "tokens"]) for name in INPUTS],
            [
                helper.make_tensor_value_info(
                    OUTPUT, self.onnx.TensorProto.FLOAT, ["texts", "tokens", self.shape.size]
                )
            ],
            list(self.constants.values()),
        )
        model = helper.make_model(
            graph,
            producer_name="assignment-assistant",
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
        )
        self.onnx.checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True))

    def _mask(self) -> None:
        """Compute what is added to the attention: 0 for a token, far below for a padding."""
        given = self._node("Cast", INPUTS[1], to=self.onnx.TensorProto.FLOAT)
        wide = self._node("Unsqueeze", given, self._whole("one_two", [1, 2]))
        padded = self._node("Sub", self._number("one", 1.0), wide)
        self.mask = self._node("Mul", padded, self._number("far_below", _FAR_BELOW))

    def _attended(self, states: str, at: str) -> str:
        heads, each = self.shape.heads, self.shape.size // self.shape.heads
        split = self._whole("heads", [0, 0, heads, each])
        query, key, value = (
            self._node(
                "Transpose",
                self._node("Reshape", self._dense(states, f"{at}.attention.self.{name}"), split),
                perm=perm,
            )
            for name, perm in (
                ("query", [0, 2, 1, 3]),
                ("key", [0, 2, 3, 1]),
                ("value", [0, 2, 1, 3]),
            )
        )
        raw = self._node("MatMul", query, key)
        scaled = self._node("Div", raw, self._number("root", each**0.5))
        shares = self._node("Softmax", self._node("Add", scaled, self.mask), axis=-1)
        mixed = self._node("Transpose", self._node("MatMul", shares, value), perm=[0, 2, 1, 3])
        return self._node("Reshape", mixed, self._whole("joined", [0, 0, self.shape.size]))

    def _gelu(self, states: str) -> str:
        part = self._node("Erf", self._node("Div", states, self._number("root_two", 2**0.5)))
        doubled = self._node("Mul", states, self._node("Add", part, self._number("one", 1.0)))
        return self._node("Mul", doubled, self._number("half", 0.5))

    def _dense(self, states: str, name: str) -> str:
        turned = self._constant(f"{name}.turned", self.tensors[f"{name}.weight"].T)
        return self._node("Add", self._node("MatMul", states, turned), self._tensor(f"{name}.bias"))

    def _norm(self, states: str, name: str) -> str:
        return self._node(
            "LayerNormalization",
            states,
            self._tensor(f"{name}.weight"),
            self._tensor(f"{name}.bias"),
            axis=-1,
            epsilon=self.shape.epsilon,
        )

    def _node(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"{kind}_{len(self.nodes)}"
        self.nodes.append(
            self.onnx.helper.make_node(kind, inputs, [output], name=output, **attributes)
        )
        return output

    def _tensor(self, name: str) -> str:
        return self._constant(name, self.tensors[name])

    def _number(self, name: str, value: float) -> str:
        import numpy as np

        return self._constant(name, np.array(value, np.float32))

    def _whole(self, name: str, values: Sequence[int]) -> str:
        import numpy as np

        return self._constant(name, np.array(values, np.int64))

    def _constant(self, name: str, value: Any) -> str:
        import numpy as np

        if name not in self.constants:
            self.constants[name] = self.onnx.numpy_helper.from_array(
                np.ascontiguousarray(value), name
            )
        return name
