"""Small PDF files with text, written byte by byte."""

from collections.abc import Sequence
from zlib import compress

_HEAD = 3
"""Objects before the pages: the catalog, the list of pages and the font."""


def pdf_of(*pages: str, title: str = "") -> bytes:
    """Return a PDF with one page for each text."""
    return pdf_with([_shown(page) for page in pages], title=title)


def pdf_with(contents: Sequence[bytes], *, title: str = "", deflated: bool = False) -> bytes:
    """Return a PDF whose pages are drawn by these operators."""
    numbers = range(_HEAD + 1, _HEAD + 1 + 2 * len(contents), 2)
    kids = " ".join(f"{number} 0 R" for number in numbers)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(contents)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>",
    ]
    for number, content in zip(numbers, contents, strict=True):
        fonts = "/Resources << /Font << /F 3 0 R >> >>"
        page = f"/Parent 2 0 R /MediaBox [0 0 600 800] /Contents {number + 1} 0 R {fonts}"
        objects.append(f"<< /Type /Page {page} >>".encode())
        stream = compress(content, 9) if deflated else content
        method = b"/Filter /FlateDecode " if deflated else b""
        head = b"<< %s/Length %d >>\nstream\n" % (method, len(stream))
        objects.append(head + stream + b"\nendstream")
    objects.append(f"<< /Title ({title}) >>".encode("latin-1"))
    return _written(objects)


def _written(objects: Sequence[bytes]) -> bytes:
    data = b"%PDF-1.4\n"
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    count = len(objects) + 1
    trailer = b"<< /Size %d /Root 1 0 R /Info %d 0 R >>" % (count, len(objects))
    return b"%sxref\n0 %d\n0000000000 65535 f \n%strailer\n%s\nstartxref\n%d\n%%%%EOF\n" % (
        data,
        count,
        table,
        trailer,
        len(data),
    )


def _shown(text: str) -> bytes:
    """Return the operators that draw a text line by line."""
    escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    lines = " ".join(f"({line}) Tj T*" for line in escaped.split("\n"))
    return f"BT /F 10 Tf 12 TL 50 750 Td {lines} ET".encode("latin-1")
