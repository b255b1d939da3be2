"""Reading PDF files, and refusing those that are not worth it."""

import io
from pathlib import Path

import pytest
from pypdf import PdfWriter

from retrieval import Document, DocumentError, read_documents
from retrieval.reading.chunks import split_document
from retrieval.reading.pdf import PAGE_LIMIT, read
from tests.papers import pdf_of, pdf_with


def read_pdf(folder: Path, data: bytes) -> Document:
    """Read the only document of a PDF."""
    path = folder / "exam.pdf"
    path.write_bytes(data)
    (document,) = read_documents(path)
    return document


def test_pages_are_headings_when_a_pdf_is_read(tmp_path: Path) -> None:
    """A chunk says on which page it begins; a PDF is material, and named by its title."""
    data = pdf_of("Draw a graph.\n" * 30, "", "Colour it.\n" * 40, title="Exam 2")
    document = read_pdf(tmp_path, data)
    assert (document.title, document.kind, document.name) == ("Exam 2", "material", "exam.pdf")
    chunks = split_document(document)
    assert [chunk.place for chunk in chunks] == ["exam.pdf, page 1", "exam.pdf, page 3"]
    assert "".join(chunk.text for chunk in chunks) == document.text
    assert chunks[1].text.startswith("## page 3\n\nColour it.\nColour it.\n")


def test_lines_are_no_headings_when_they_look_like_it(tmp_path: Path) -> None:
    """Code with comments, and a fence that never closes, leave the pages as they are."""
    page = "# include <x>\n## Brief\n~~~c\n" + "int main() {\n" * 30
    document = read_pdf(tmp_path, pdf_of(page, "int f() {}"))
    assert document.text.startswith("## page 1\n\n    # include <x>\n    ## Brief\n    ~~~c\nint")
    assert not document.is_past_assignment
    assert [chunk.place for chunk in split_document(document)] == [
        "exam.pdf, page 1",
        "exam.pdf, page 2",
    ]


@pytest.mark.parametrize(
    ("title", "found"),
    [
        ("", "exam"),
        ("untitled", "exam"),
        ("Microsoft Word - hw3.docx", "exam"),
        ("Microsoft Word - Trees", "Trees"),
        ("Trees\\001 and\\n graphs", "Trees and graphs"),
        ("x" * 300, "x" * 79 + "…"),
    ],
)
def test_title_is_the_file_name_when_the_pdf_has_none(
    tmp_path: Path, title: str, found: str
) -> None:
    """What a word processor fills in by itself is no title."""
    assert read_pdf(tmp_path, pdf_of("Draw a graph.", title=title)).title == found


def test_signs_are_letters_when_a_font_joins_them() -> None:
    """A ligature is found by whoever types its letters; control characters are left out."""
    names = " ".join(f"/{name}" for name in ("fi", "ffl", "a"))
    data = pdf_of("\x01\x02\x03le\x04 x").replace(
        b"/BaseFont /Courier",
        b"/BaseFont /Courier /Encoding << /Type /Encoding /Differences [1 %s] >>" % names.encode(),
    )
    assert read(data, "a.pdf").text == "## page 1\n\nfifflale x"


def test_signs_are_letters_when_a_font_has_none_of_their_names() -> None:
    """TeX's fonts keep them where others have control characters."""
    data = pdf_of("de\x1cned: \x10e\x1bort\x11 \x15 o\x1eces\x01", "o\x0cset")
    assert read(data, "a.pdf").text == (
        '## page 1\n\ndefined: "effort" - offices\n\n## page 2\n\nofiset'
    )


def encrypted(password: str) -> bytes:
    """Return a PDF with a password."""
    writer = PdfWriter()
    writer.add_blank_page(200, 200)
    writer.encrypt(password, "owner", algorithm="AES-256")
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


FAULTS: list[tuple[bytes, str]] = [
    (encrypted("secret"), r"is encrypted\. Save it without a password"),
    (encrypted(""), r"is encrypted\. Save it without a password"),
    (pdf_of("", " "), r"has no text: it may be scanned\. Have its text recognised"),
    (pdf_of(*["x"] * (PAGE_LIMIT + 1)), r"has 301 pages, and at most 300 are read\. Split it"),
    (pdf_of(*["word " * 50_000] * 5), r"holds more than 1 MB of text\. Split it"),
    (pdf_with([b" " * 80_000_000], deflated=True), r"unpacks to more than a text holds"),
]


@pytest.mark.parametrize(("data", "message"), FAULTS, ids=range(len(FAULTS)))
def test_error_when_a_pdf_cannot_be_read(data: bytes, message: str) -> None:
    """Every fault has a sentence with the file in it."""
    with pytest.raises(DocumentError, match=rf"'a\.pdf' {message}"):
        read(data, "a.pdf")


def test_error_when_a_file_is_no_pdf(tmp_path: Path) -> None:
    """The end of its name does not make it one."""
    with pytest.raises(DocumentError, match=r"exam\.pdf' is damaged, or no pdf file\. Open it and"):
        read_pdf(tmp_path, b"text")
