"""A sentence encoder on the CPU: from a text by its tokens to one vector of length 1.

It knows onnxruntime and tokenizers; it knows nothing of files, indexes or LangChain.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from retrieval.embedding.bert import INPUTS
from retrieval.errors import RetrievalError

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

MAX_TOKENS = 256
"""What is read of a text, as MiniLM was trained; the rest of it is left out."""
PREPARE = "assist index model minilm"
"""The command that makes the files."""
_ERRORS_ONLY = 3


class Encoder:
    """Encode one text at a time; safe to share between threads.

    Measured: 8-bit networks gain nothing from batches on a CPU. And in a batch the scale of the
    numbers, hence a text's vector, depends on its neighbours; alone it is always the same.
    """

    def __init__(self, network: bytes, tokenizer: bytes) -> None:
        """Load the content of an ONNX file and of a `tokenizer.json`.

        Raises:
            RetrievalError: one of them is not what it should be.
        """
        from tokenizers import Tokenizer

        onnxruntime = import_module("onnxruntime")  # it has no type information

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # for a short text more threads take longer
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # it would keep a plan for every length of text
        options.log_severity_level = _ERRORS_ONLY
        try:
            self._tokens = Tokenizer.from_buffer(tokenizer)
            self._tokens.no_padding()
            self._tokens.enable_truncation(MAX_TOKENS)
            self._network: Any = onnxruntime.InferenceSession(
                network, options, providers=["CPUExecutionProvider"]
            )
            self._frame = self._numbers("")
            self._nothing = self._mean(self._frame) * 0
        except Exception as error:  # both packages raise bare exceptions
            what = f"{type(error).__name__}: {error}".splitlines()[0]
            raise RetrievalError(
                f"The network or its tokenizer cannot be loaded ({what}). Run: {PREPARE}"
            ) from error

    def vector(self, text: str) -> "NDArray[float32]":
        """Return the mean of the tokens' vectors at length 1; zeros for a text without a token."""
        import numpy as np

        numbers = self._numbers(text)
        if numbers == self._frame:
            return self._nothing.copy()
        mean = self._mean(numbers)
        length = float(np.linalg.norm(mean))
        return mean / np.float32(length) if length else mean

    def _numbers(self, text: str) -> list[int]:
        # Half a character, which Python strings can hold, is none for the tokenizer.
        numbers: list[int] = self._tokens.encode(text.encode(errors="replace").decode()).ids
        return numbers

    def _mean(self, numbers: list[int]) -> "NDArray[float32]":
        import numpy as np

        tokens = np.array([numbers], np.int64)
        inputs = (tokens, np.ones_like(tokens), np.zeros_like(tokens))
        states = self._network.run(None, dict(zip(INPUTS, inputs, strict=True)))[0]
        mean: NDArray[float32] = states[0].mean(axis=0)
        return mean
