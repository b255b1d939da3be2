"""A BERT of 8 numbers a token in place of MiniLM: its files, its carriers, and NumPy's opinion."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import erf
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from retrieval.embedding.carriers import Archive, Cached, Package

WORDS = (
    *("sort", "a", "list", "of", "numbers", "in", "descending", "order", "return", "the"),
    *("sum", "binary", "tree", "parcel", "friday"),
)
CONFIG: Mapping[str, Any] = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": 8,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 256,
    "type_vocab_size": 2,
    "vocab_size": 4 + len(WORDS),
    "layer_norm_eps": 1e-12,
}
PACKAGE = "tiny-bert"
FOLDER = "tiny_bert/model"

Array = NDArray[np.float32]


def tensors(seed: int = 0) -> dict[str, Array]:
    """Return random weights, named as those of a BERT are."""
    random = np.random.default_rng(seed)
    size, inner = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (CONFIG["vocab_size"], size),
        "embeddings.position_embeddings.weight": (CONFIG["max_position_embeddings"], size),
        "embeddings.token_type_embeddings.weight": (CONFIG["type_vocab_size"], size),
        "embeddings.LayerNorm.weight": (size,),
        "embeddings.LayerNorm.bias": (size,),
    }
    for layer in range(CONFIG["num_hidden_layers"]):
        linear = {
            "attention.self.query": (size, size),
            "attention.self.key": (size, size),
            "attention.self.value": (size, size),
            "attention.output.dense": (size, size),
            "intermediate.dense": (inner, size),
            "output.dense": (size, inner),
        }
        for name, shape in linear.items():
            shapes[f"encoder.layer.{layer}.{name}.weight"] = shape
            shapes[f"encoder.layer.{layer}.{name}.bias"] = shape[:1]
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"encoder.layer.{layer}.{name}.weight"] = (size,)
            shapes[f"encoder.layer.{layer}.{name}.bias"] = (size,)
    return {
        name: random.standard_normal(shape, np.float32) * np.float32(0.5)
        for name, shape in shapes.items()
    }


def reference(weights: Mapping[str, Array], numbers: Sequence[int]) -> Array:
    """Return the vectors of a text's tokens as the definition of BERT has them."""

    def norm(states: Array, name: str) -> Array:
        centred = states - states.mean(-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(-1, keepdims=True) + CONFIG["layer_norm_eps"])
        return np.asarray(centred / scale * weights[f"{name}.weight"] + weights[f"{name}.bias"])

    def dense(states: Array, name: str) -> Array:
        return np.asarray(states @ weights[f"{name}.weight"].T + weights[f"{name}.bias"])

    def attended(states: Array, at: str) -> Array:
        parts = []
        query, key, value = (dense(states, f"{at}.{name}") for name in ("query", "key", "value"))
        heads = CONFIG["num_attention_heads"]
        for q, k, v in zip(
            *(np.split(part, heads, -1) for part in (query, key, value)), strict=True
        ):
            shares = np.exp(q @ k.T / np.sqrt(q.shape[-1]))
            parts.append(shares / shares.sum(-1, keepdims=True) @ v)
        return np.concatenate(parts, -1)

    gelu = np.vectorize(lambda x: x * (1 + erf(x / 2**0.5)) / 2)
    states = weights["embeddings.word_embeddings.weight"][list(numbers)]
    states = states + weights["embeddings.position_embeddings.weight"][: len(numbers)]
    states = norm(
        states + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm"
    )
    for layer in range(CONFIG["num_hidden_layers"]):
        at = f"encoder.layer.{layer}"
        mixed = dense(attended(states, f"{at}.attention.self"), f"{at}.attention.output.dense")
        states = norm(mixed + states, f"{at}.attention.output.LayerNorm")
        inner = gelu(dense(states, f"{at}.intermediate.dense"))
        states = norm(dense(inner, f"{at}.output.dense") + states, f"{at}.output.LayerNorm")
    return np.asarray(states, np.float32)


def tokenizer() -> bytes:
    """Return a `tokenizer.json`, which like MiniLM's own pads and cuts at 128 tokens."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    numbers = {word: number for number, word in enumerate([*special, *WORDS])}
    made = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))  # noqa: S106 - no password
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made.add_special_tokens(special)
    made.enable_padding(length=128)
    made.enable_truncation(128)
    return made.to_str().encode()


def files(seed: int = 0) -> dict[str, bytes]:
    """Return what the package of weights holds."""
    return {
        "model.safetensors": save(tensors(seed)),
        "tokenizer.json": tokenizer(),
        "config.json": json.dumps(dict(CONFIG)).encode(),
    }


@dataclass(frozen=True)
class Installed:
    """A package that lies in a folder; whoever imports it fails."""

    site: Path
    folder: Path
    package: Package


def install(site: Path, seed: int = 0) -> Installed:
    """Write a package of weights as pip would; the caller puts `site` on the path."""
    folder = site / FOLDER
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise AssertionError('imported')\n")
    metadata = site / f"{PACKAGE.replace('-', '_')}-0.1.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 0.1.0\n")
    content = files(seed)
    for name, written in content.items():
        (folder / name).write_bytes(written)
    digests = {name: hashlib.sha256(written).hexdigest() for name, written in content.items()}
    return Installed(site, folder, Package(PACKAGE, FOLDER, digests))


def archive(*members: tuple[str | tarfile.TarInfo, bytes]) -> bytes:
    """Return a `tar.gz` of plain files, or of whatever a header says."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as file:
        for name, content in members:
            header = tarfile.TarInfo(name) if isinstance(name, str) else name
            header.size = len(content)
            file.addfile(header, io.BytesIO(content))
    return written.getvalue()


def cached(path: Path, content: bytes) -> Cached:
    """Put an archive into a cache that is Chroma's, and trust it."""
    path.write_bytes(content)
    return Cached(lambda: Archive(path, "", hashlib.sha256(content).hexdigest()))
