"""Reading Word documents, and refusing those that are unsafe."""

import io
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import docx
import pytest
from docx.document import Document as WordDocument
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from retrieval import Document, DocumentError, read_documents
from retrieval.reading.chunks import split_document
from retrieval.reading.docx import read


def written(write: Callable[[WordDocument], object]) -> bytes:
    """Return a Word document that a function has written."""
    word = docx.Document()
    write(word)
    stream = io.BytesIO()
    word.save(stream)
    return stream.getvalue()


def text_of(write: Callable[[WordDocument], object]) -> str:
    """Return how a Word document reads."""
    return read(written(write), "a.docx").text


def add_xml(word: WordDocument, xml: str) -> None:
    """Put an element at the end of a document."""
    word.element.body.insert(-1, parse_xml(xml.replace(">", f" {nsdecls('w')}>", 1)))


def read_docx(folder: Path, data: bytes) -> Document:
    """Read the only document of a Word file."""
    path = folder / "hw3.docx"
    path.write_bytes(data)
    (document,) = read_documents(path)
    return document


def test_past_assignment_is_found_when_word_has_its_headings(tmp_path: Path) -> None:
    """Below a title, the first level of headings is that of the sections."""

    def write(word: WordDocument) -> None:
        word.add_heading("Sorting lab", 0)
        word.add_heading("Brief", 1)
        word.add_paragraph("Sort a list.")
        word.add_heading("Tests", 1)
        word.add_paragraph("It is sorted.")

    document = read_docx(tmp_path, written(write))
    assert (document.title, document.kind) == ("Sorting lab", "assignment")
    chunks = [(chunk.section, chunk.place) for chunk in split_document(document)]
    assert chunks == [("brief", "hw3.docx, Brief"), ("tests", "hw3.docx, Tests")]


@pytest.mark.parametrize(("title", "found"), [("Word Document", "hw3"), ("Sorting", "Sorting")])
def test_title_is_the_file_name_when_nothing_names_it(
    tmp_path: Path, title: str, found: str
) -> None:
    """A heading wins over the title in the properties, and that over the file name."""

    def write(word: WordDocument) -> None:
        word.core_properties.title = title
        word.core_properties.author = "Ada Lovelace"
        word.add_paragraph("Sort a list.")

    document = read_docx(tmp_path, written(write))
    assert (document.title, document.kind) == (found, "material")
    assert "Ada" not in repr(document)


def test_headings_and_lists_are_markdown_when_read() -> None:
    """Levels, bullets and numbers are kept; an empty paragraph says nothing."""

    def write(word: WordDocument) -> None:
        word.add_heading("Part", 1)
        word.add_heading("Deep", 9)
        word.add_paragraph("first", "List Bullet")
        word.add_paragraph("second\tone", "List Bullet")
        word.add_paragraph("", "List Bullet")
        word.add_paragraph("")
        word.add_paragraph("step", "List Number")
        numbering = '<w:numPr><w:ilvl w:val="2"/><w:numId w:val="4"/></w:numPr>'
        add_xml(word, f"<w:p><w:pPr>{numbering}</w:pPr><w:r><w:t>inner</w:t></w:r></w:p>")
        add_xml(
            word, f"<w:p><w:pPr>{numbering.replace('4', '0')}</w:pPr><w:r><w:t>no</w:t></w:r></w:p>"
        )

    expected = "# Part\n\n###### Deep\n\n- first\n- second one\n1. step\n    - inner\n\nno"
    assert text_of(write) == expected


def test_tables_are_rows_when_read() -> None:
    """A plan stays a table; one column is a box around text."""

    def write(word: WordDocument) -> None:
        table = word.add_table(2, 2)
        for cell, text in zip(table._cells, ("id", "task", "t1", "a | b\nc"), strict=True):
            cell.text = text
        box = word.add_table(1, 1).cell(0, 0)
        box.text = "Boxed."
        box.add_paragraph("Twice.")
        word.add_table(0, 2)

    assert text_of(write) == "| id | task |\n| --- | --- |\n| t1 | a \\| b c |\n\nBoxed.\n\nTwice."


def test_code_is_a_fence_when_its_style_or_font_says_so() -> None:
    """Code is kept as it is, line by line."""

    def write(word: WordDocument) -> None:
        style = word.styles.add_style("Quelltext Code", WD_STYLE_TYPE.PARAGRAPH)
        for line in ("# a comment", "", "  x = ```1"):
            word.add_paragraph(line, style)
        word.add_paragraph("Then run it:")
        word.add_paragraph("", style)
        run = word.add_paragraph().add_run("./run  --all")
        run.font.name = "Courier New"
        mixed = word.add_paragraph("Call ")
        mixed.add_run("run()").font.name = "Consolas"

    assert text_of(write) == (
        "````\n# a comment\n\n  x = ```1\n````\n\nThen run it:\n\n"
        "```\n./run  --all\n```\n\nCall run()"
    )


@pytest.mark.parametrize(
    ("style", "font", "is_code"),
    [
        *((name, "", True) for name in ("HTML Code", "CodeBlock 2", "Source Text", "SourceCode")),
        *((name, "", False) for name in ("Resource", "Source note", "Barcode", "Decoded")),
        *(("", name, True) for name in ("DejaVu Sans Mono", "SFMono-Regular", "CourierNewPSMT")),
        *(("", name, True) for name in ("Monaco", "monospace", "Source Code Pro")),
        *(("", name, False) for name in ("Monotype Corsiva", "Monoton")),
    ],
)
def test_prose_is_no_code_when_a_name_only_holds_such_letters(
    style: str, font: str, *, is_code: bool
) -> None:
    """The words of a name count, not parts of them."""

    def write(word: WordDocument) -> None:
        if style:
            word.styles.add_style(style, WD_STYLE_TYPE.PARAGRAPH)
        word.add_paragraph("", style or None).add_run("x = 1").font.name = font or None

    assert text_of(write) == ("```\nx = 1\n```" if is_code else "x = 1")


def test_style_means_what_it_is_based_on_when_its_name_says_nothing() -> None:
    """A department's own styles are built on Word's."""

    def write(word: WordDocument) -> None:
        heading = word.styles.add_style("Aufgabe", WD_STYLE_TYPE.PARAGRAPH)
        heading.base_style = word.styles["Heading 2"]
        looped = word.styles.add_style("Loop", WD_STYLE_TYPE.PARAGRAPH)
        looped.base_style = looped
        word.add_paragraph("One", heading)
        word.add_paragraph("x", looped)

    assert text_of(write) == "## One\n\nx"


def test_text_is_as_if_all_changes_were_accepted() -> None:
    """What was deleted is gone; insertions, links, controls and text boxes are read once."""

    def write(word: WordDocument) -> None:
        run = "<w:r><w:t xml:space='preserve'>{}</w:t></w:r>"
        add_xml(
            word,
            f"<w:p><w:del>{run.format('old ')}</w:del><w:ins>{run.format('new ')}</w:ins>"
            f"<w:hyperlink>{run.format('link')}</w:hyperlink><w:r><w:br/><w:noBreakHyphen/></w:r>"
            "<w:proofErr/></w:p>",
        )
        add_xml(
            word,
            f"<w:sdt><w:sdtPr/><w:sdtContent><w:p>{run.format('inside')}</w:p></w:sdtContent></w:sdt>",
        )
        mc = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
        box = f"<w:txbxContent><w:p>{run.format('boxed')}</w:p></w:txbxContent>"
        add_xml(
            word,
            f"<w:p><w:r><mc:AlternateContent {mc}><mc:Choice>{box}</mc:Choice>"
            f"<mc:Fallback>{box}</mc:Fallback></mc:AlternateContent></w:r></w:p>",
        )

    assert text_of(write) == "new link\n-\n\ninside\n\nboxed"


def test_line_is_no_heading_when_only_its_text_looks_like_one() -> None:
    """A pasted comment does not part the document."""
    assert text_of(lambda word: word.add_paragraph("## Brief\n~~~")) == "    ## Brief\n    ~~~"


def repacked(data: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """Return a Word document of which one part is changed."""
    stream = io.BytesIO()
    with ZipFile(io.BytesIO(data)) as old, ZipFile(stream, "w", ZIP_DEFLATED) as new:
        for member in old.infolist():
            content = old.read(member)
            new.writestr(member.filename, change(content) if member.filename == name else content)
    return stream.getvalue()


SIMPLE = written(lambda word: word.add_paragraph("HERE"))
PART = "word/document.xml"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_error_when_xml_defines_entities(tmp_path: Path, encoding: str) -> None:
    """No file beside the document is read, and nothing is multiplied."""
    (tmp_path / "secret.txt").write_text("secret", "utf-8")
    kind = f'<!DOCTYPE w [<!ENTITY x SYSTEM "{(tmp_path / "secret.txt").as_uri()}">]>'

    def change(content: bytes) -> bytes:
        body = content.decode().partition("?>")[2].replace("HERE", "&x;")
        return f'<?xml version="1.0" encoding="{encoding}"?>{kind}{body}'.encode(encoding)

    with pytest.raises(DocumentError, match=r"has XML with a DOCTYPE, which no word processor"):
        read(repacked(SIMPLE, PART, change), "a.docx")


def with_entity(content: bytes) -> bytes:
    """Put an entity into the XML of a document."""
    kind = b'<!DOCTYPE w [<!ENTITY x "expanded">]>'
    return content.replace(b"?>", b"?>" + kind, 1).replace(b"HERE", b"Here &x; it is")


def added(data: bytes, name: str, content: bytes) -> bytes:
    """Return a Word document with one more part."""
    stream = io.BytesIO(data)
    with ZipFile(stream, "a", ZIP_DEFLATED) as package:
        package.writestr(name, content)
    return stream.getvalue()


def test_picture_may_have_a_doctype_when_a_document_is_read() -> None:
    """Drawing programs write one into each SVG; XML of the document may have none."""
    svg = b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "svg11.dtd"><svg/>'
    assert read(added(SIMPLE, "word/media/image1.svg", svg), "a.docx").text == "HERE"
    for name in ("word/more.XML", "word/_rels/more.rels"):
        with pytest.raises(DocumentError, match="has XML with a DOCTYPE"):
            read(added(SIMPLE, name, svg), "a.docx")


def test_entity_stays_unread_when_the_document_is_named_like_a_picture() -> None:
    """A part may have any name; its entities are not resolved either way."""
    stream = io.BytesIO()
    with ZipFile(io.BytesIO(SIMPLE)) as old, ZipFile(stream, "w", ZIP_DEFLATED) as new:
        for member in old.infolist():
            content = old.read(member).replace(b"word/document.xml", b"word/document.svg")
            name = member.filename.replace("document.xml", "document.svg")
            new.writestr(name, with_entity(content) if name == "word/document.svg" else content)
    text = read(stream.getvalue(), "a.docx").text
    assert text.startswith("Here")
    assert "expanded" not in text


EMPTY = repacked(SIMPLE, PART, lambda content: content.replace(b"HERE", b""))
FAULTS: list[tuple[bytes, str]] = [
    (EMPTY, r"has no text\. Write some into it"),
    (
        written(lambda word: word.add_paragraph(f"{list(range(150_000))}")),
        r"more than 1 MB of text",
    ),
    (repacked(SIMPLE, PART, lambda content: content + b" " * 3_000_000), r"200 times its size"),
]


@pytest.mark.parametrize(("data", "message"), FAULTS, ids=range(len(FAULTS)))
def test_error_when_a_word_document_cannot_be_read(data: bytes, message: str) -> None:
    """Every fault has a sentence with the file in it."""
    with pytest.raises(DocumentError, match=rf"'a\.docx' .*{message}"):
        read(data, "a.docx")


@pytest.mark.parametrize("data", [b"text", b"PK\x05\x06" + b"\0" * 18, SIMPLE[:-100]])
def test_error_when_a_file_is_no_word_document(tmp_path: Path, data: bytes) -> None:
    """Other archives, and halves of files, are none."""
    with pytest.raises(DocumentError, match=r"hw3\.docx' is damaged, or no docx file\. Open it"):
        read_docx(tmp_path, data)
