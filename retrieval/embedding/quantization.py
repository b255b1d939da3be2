"""Networks in 8-bit numbers: a quarter of the size, and on most processors twice as fast.

It knows onnxruntime's quantizer; it knows nothing of what a network is for.
"""

import logging
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from retrieval.embedding.encoder import PREPARE
from retrieval.errors import RetrievalError

_GIVEN = "fp32.onnx"
_MADE = "int8.onnx"


def check_packages() -> None:
    """Refuse to begin without what is needed at the end.

    Raises:
        RetrievalError: `onnx`, which onnxruntime needs for this alone, is missing.
    """
    if find_spec("onnx") is None:
        raise RetrievalError(
            "The package 'onnx' is not installed; it is needed once, to make the 8-bit network. "
            f"Run: pip install onnx, and then: {PREPARE}"
        )


def quantized(network: bytes, work: Path) -> bytes:
    """Return an ONNX file with 8-bit weights; the same one for the same network.

    Args:
        network: an ONNX file in 32-bit numbers.
        work: a folder for files that are needed meanwhile.

    Raises:
        RetrievalError: the installed packages cannot do it.
    """
    given, made = work / _GIVEN, work / _MADE
    root = logging.getLogger()
    # It warns through logging.warning, which sets up the root logger when no handler is there.
    guard = logging.NullHandler()
    root.addHandler(guard)
    try:
        quantization = import_module("onnxruntime.quantization")  # it has no type information
        given.write_bytes(network)
        quantization.quantize_dynamic(
            given,
            made,
            per_channel=True,
            # Seven bits of eight: their sums fit the registers of every processor, so that
            # also one without VNNI computes these vectors.
            reduce_range=True,
            weight_type=quantization.QuantType.QInt8,
        )
        return made.read_bytes()
    except Exception as error:  # whatever does not fit between the two packages
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        raise RetrievalError(
            f"The 8-bit network cannot be made ({what}). "
            f"Run: pip install --upgrade onnx, and then: {PREPARE}"
        ) from error
    finally:
        root.removeHandler(guard)
        for path in (given, made):
            path.unlink(missing_ok=True)
