"""Read the text of a Word document (docx) as Markdown: headings, lists, tables and code.

It runs where reading may fail or cost too much: see `retrieval.reading.sandbox`.
"""

import io
import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import Literal, NamedTuple
from zipfile import ZipFile

from docx import Document
from docx.oxml.ns import qn
from docx.oxml.text.paragraph import CT_P
from docx.oxml.xmlchemy import BaseOxmlElement
from docx.styles.style import BaseStyle, CharacterStyle

from retrieval.errors import DocumentError
from retrieval.reading.archives import check_sizes
from retrieval.reading.blocks import as_plain
from retrieval.reading.sandbox import Extract
from retrieval.reading.titles import given_title

_TEXT_LIMIT = 1_000_000
_DEEPEST = 6
_BASES = 10
_HEADING = re.compile(r"heading ([1-9])")
# Styles and fonts are named in words, some of them written as one: "CodeBlock", "SFMono".
_CODE = re.compile(
    r"(?<![a-z])(?:(?:source ?)?code(?: ?blocks?)?|source ?text|listings?|preformatted"
    r"|plain ?text|macro)(?![a-z])"
)
_CODE_FONT = re.compile(
    r"courier|consolas|mono(?:spaced?)?(?![a-z])|menlo|monaco|lucida console|source ?code"
)
_XML = (".xml", ".rels")
_FENCE = re.compile(r"`{3,}")
_TEXT = {qn("w:t"), qn("m:t")}
_SIGNS = {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}
# Properties are no text, and what a text box shows stands there twice.
_SILENT = {
    *map(qn, ("w:pPr", "w:rPr", "w:tblPr", "w:tcPr", "w:sdtPr", "w:del", "w:moveFrom")),
    "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback",
}


class _Style(NamedTuple):
    """What a style makes of a paragraph or a run."""

    level: int = 0
    """Of a heading; 0: it is none."""
    mark: str = ""
    """What stands before an item of a list."""
    is_title: bool = False
    is_code: bool = False


class _Part(NamedTuple):
    """A paragraph or a table as Markdown; a paragraph of code is a line or a few."""

    kind: Literal["prose", "list", "code"]
    text: str


def read(data: bytes, place: str) -> Extract:
    """Return the title and the text of a Word document.

    Raises:
        DocumentError: it would unpack to too much, defines entities, or has no text.
    """
    with ZipFile(io.BytesIO(data)) as package:
        check_sizes(package.infolist(), place)
        # A picture as SVG may have a DOCTYPE; the parser resolves no entity of a part named so.
        members = [m for m in package.infolist() if m.filename.lower().endswith(_XML)]
        # An encoding of two bytes a character has a NUL beside each letter.
        if any(b"<!DOCTYPE" in package.read(m).replace(b"\0", b"") for m in members):
            raise DocumentError(
                f"{place!r} has XML with a DOCTYPE, which no word processor writes. "
                "Open it and save it as a new one."
            )
    document = Document(io.BytesIO(data))
    text = _joined(_Body(document.styles).parts(document.element.body))
    if not text.strip():
        raise DocumentError(f"{place!r} has no text. Write some into it, or leave it out.")
    if len(text.encode("utf-8", "replace")) > _TEXT_LIMIT:
        raise DocumentError(f"{place!r} holds more than 1 MB of text. Split it into several files.")
    return Extract(given_title(document.core_properties.title), text)


class _Body:
    """Reads paragraphs and tables with the styles of their document."""

    def __init__(self, styles: Iterable[BaseStyle]) -> None:
        self._styles = {style.style_id: _style(style) for style in styles}
        self._has_title = False

    def parts(self, parent: BaseOxmlElement) -> Iterator[_Part]:
        """Yield what stands below an element, also within content controls."""
        for child in parent:
            if isinstance(child, CT_P):
                part = self._paragraph(child)
                if part.text or part.kind == "code":
                    yield part
            elif child.tag == qn("w:tbl"):
                yield from self._table(child)
            elif child.tag not in _SILENT:
                yield from self.parts(child)

    def _paragraph(self, paragraph: CT_P) -> _Part:
        style = self._styles.get(paragraph.style or "", _Style())
        text = "".join(_words(paragraph)).rstrip()
        line = " ".join(text.split())
        if (style.level or style.is_title) and line:
            # Below a title, the first level of headings is the second of the text.
            level = 1 if style.is_title else min(style.level + self._has_title, _DEEPEST)
            self._has_title = self._has_title or style.is_title
            return _Part("prose", f"{'#' * level} {line}")
        if style.is_code or (text and self._is_code(paragraph)):
            return _Part("code", text)
        depth, mark = _item(paragraph, style)
        if mark and line:
            return _Part("list", f"{'  ' * depth}{mark} {line}")
        return _Part("prose", as_plain(text) if line else "")

    def _is_code(self, paragraph: CT_P) -> bool:
        """Whether every run with words in it is in a style or a font for code."""
        runs = [run for run in paragraph.r_lst if run.text.strip()]
        fonts = [run.rPr.rFonts_ascii if run.rPr is not None else None for run in runs]
        styles = [self._styles.get(run.style or "", _Style()) for run in runs]
        return bool(runs) and all(
            style.is_code or _CODE_FONT.search((font or "").lower())
            for style, font in zip(styles, fonts, strict=True)
        )

    def _table(self, table: BaseOxmlElement) -> Iterator[_Part]:
        rows = [[c for c in row if c.tag == qn("w:tc")] for row in table if row.tag == qn("w:tr")]
        if max(map(len, rows), default=0) < 2:  # noqa: PLR2004 - one column is a box around text
            for cell in (cell for row in rows for cell in row):
                yield from self.parts(cell)
            return
        lines = [_row(" ".join("".join(_words(cell)).split()) for cell in row) for row in rows]
        lines.insert(1, _row("---" for _ in rows[0]))
        yield _Part("prose", "\n".join(lines))


def _style(style: BaseStyle) -> _Style:
    """Return what a style means, or the nearest of those it is based on that means anything."""
    base: BaseStyle | None = style
    for _ in range(_BASES):
        name = (base.name or "").lower() if base else ""
        if heading := _HEADING.fullmatch(name):
            return _Style(level=int(heading[1]))
        if name == "title":
            return _Style(is_title=True)
        if name.startswith("list "):
            return _Style(mark="1." if "number" in name else "-")
        font = (base.font.name or "").lower() if isinstance(base, CharacterStyle) else ""
        if _CODE.search(name) or _CODE_FONT.search(font):
            return _Style(is_code=True)
        base = base.base_style if isinstance(base, CharacterStyle) else None
    return _Style()


def _item(paragraph: CT_P, style: _Style) -> tuple[int, str]:
    """Return how deep in a list a paragraph stands, and the mark before it."""
    numbering = paragraph.find(f"{qn('w:pPr')}/{qn('w:numPr')}")
    if numbering is None:
        return 0, style.mark
    values = {child.tag: child.get(qn("w:val")) or "" for child in numbering}
    depth = values.get(qn("w:ilvl"), "")
    mark = "" if values.get(qn("w:numId")) == "0" else style.mark or "-"
    return min(int(depth), _DEEPEST) if depth.isdecimal() else 0, mark


def _words(element: BaseOxmlElement) -> Iterator[str]:
    """Yield the text within an element, as it reads with all changes accepted."""
    for child in element:
        if child.tag in _TEXT:
            yield child.text or ""
        elif child.tag in _SIGNS:
            yield _SIGNS[child.tag]
        elif child.tag not in _SILENT:
            yield from _words(child)
            if child.tag == qn("w:p"):
                yield "\n"


def _row(cells: Iterable[str]) -> str:
    escaped = [cell.replace("|", "\\|") for cell in cells]
    return f"| {' | '.join(escaped)} |"


def _joined(parts: Iterable[_Part]) -> str:
    """Join parts: the items of a list and the lines of code stay together."""
    groups = []
    for kind, group in groupby(parts, attrgetter("kind")):
        texts = [part.text for part in group]
        if kind != "code":
            groups.append(("\n" if kind == "list" else "\n\n").join(texts))
        elif code := "\n".join(texts).strip("\n"):
            fence = "`" * max([3, *(len(found) + 1 for found in _FENCE.findall(code))])
            groups.append(f"{fence}\n{code}\n{fence}")
    return "\n\n".join(groups)
