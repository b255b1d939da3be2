"""Reading zip archives, and refusing those that are unsafe."""

import json
import stat
import struct
from contextlib import suppress
from pathlib import Path
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZipFile, ZipInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval import DocumentError, read_documents
from retrieval.reading import archives
from retrieval.reading.archives import MEMBER_LIMIT
from tests.papers import pdf_of


def pack(path: Path, *members: str | ZipInfo, content: str | bytes = "text") -> Path:
    """Write an archive of files that all say the same."""
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for member in members:
            archive.writestr(member, content)
    return path


def names_in(path: Path) -> list[str]:
    """Return the names of the documents that are read."""
    return [document.name for document in read_documents(path)]


@pytest.mark.parametrize(("name", "top"), [("hand-out.zip", "labs/"), ("labs.zip", "")])
def test_documents_are_the_same_when_the_folder_is_packed(
    tmp_path: Path, name: str, top: str
) -> None:
    """Whether the folder or what is in it was packed: ids, names and texts are the folder's."""
    contents = {
        "week1/a.md": b"# A\n\ntext",
        "b.jsonl": b'{"id": 1, "text": "one"}\n\n{"id": 2, "text": "two"}\n',
        "\u00fcbung.txt": b"\xc3\xbc",
        "exam.pdf": pdf_of("Draw a graph."),
    }
    with ZipFile(tmp_path / name, "w", ZIP_DEFLATED) as archive:
        for file, content in contents.items():
            (tmp_path / "labs" / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "labs" / file).write_bytes(content)
            archive.writestr(f"{top}{file}", content)
        archive.writestr("__MACOSX/._a.md", "x")
    before = sorted(tmp_path.rglob("*"))
    unpacked = list(read_documents(tmp_path / "labs", course="cs1"))
    assert list(read_documents(tmp_path / name, course="cs1")) == unpacked
    assert len(unpacked) == 5
    assert sorted(tmp_path.rglob("*")) == before


def test_rest_is_skipped_when_an_archive_is_read(tmp_path: Path) -> None:
    """READMEs, hidden files, links, folders, archives and unknown suffixes, as in a folder."""
    link = ZipInfo("link.md")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    rest = ("sub/", "README.md", "pic.png", ".git/x.md", "more.zip", "~$a.docx")
    assert names_in(pack(tmp_path / "Old.ZIP", "b.txt", "a\\z.md", link, *rest)) == [
        "a/z.md",
        "b.txt",
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("../a.md", "a/../../b.md", "a\\..\\b.md", "/etc/a.md", "\\\\host\\a.md"),
        *("C:\\a.md", "c:a.md", "a\nb.md", "\x1b[2J.md", f"{'a/' * 600}a.md"),
    ],
)
def test_error_when_a_name_leads_outside(tmp_path: Path, name: str) -> None:
    """A name that no packed folder has is refused, also on a file that is not wanted."""
    for unsafe in (name, f"{name}.png"):
        with pytest.raises(DocumentError, match=r"unsafe name .*Pack the folder again"):
            names_in(pack(tmp_path / "a.zip", "ok.md", unsafe))


def test_error_when_a_name_is_empty() -> None:
    """`ZipFile` reads such a name, though it does not write it."""
    with pytest.raises(DocumentError, match="unsafe name ''"):
        archives._visible([ZipInfo("")], "a.zip")


def test_error_when_a_name_stands_twice(tmp_path: Path) -> None:
    """Two files of one name would be one document."""
    with pytest.raises(DocumentError, match=r"holds '\./a\.md' twice"):
        names_in(pack(tmp_path / "a.zip", "a.md", "./a.md"))


def test_error_when_a_file_is_encrypted(tmp_path: Path) -> None:
    """The bit that says so is the same for every method."""
    path = pack(tmp_path / "a.zip", "a.md")
    start, middle, end = path.read_bytes().partition(b"PK\x01\x02")
    path.write_bytes(start + middle + end[:4] + b"\1" + end[5:])
    with pytest.raises(DocumentError, match=r"a\.zip/a\.md' is encrypted\. Pack it without"):
        names_in(path)


def test_error_when_a_file_is_packed_in_an_unusual_way(tmp_path: Path) -> None:
    """Other methods than the usual one have bombs of their own."""
    with ZipFile(tmp_path / "a.zip", "w", ZIP_BZIP2) as archive:
        archive.writestr("a.md", "text")
    with pytest.raises(DocumentError, match=r"a\.md' is packed by method 12\. Pack it as a usual"):
        names_in(tmp_path / "a.zip")


def test_error_when_an_archive_holds_too_many_files(tmp_path: Path) -> None:
    """They are counted before the first is read."""
    members = [f"{number}.md" for number in range(MEMBER_LIMIT + 1)]
    with pytest.raises(DocumentError, match=r"holds more than 2,000 files\. Split it"):
        names_in(pack(tmp_path / "a.zip", *members))
    assert len(names_in(pack(tmp_path / "b.zip", *members[1:]))) == MEMBER_LIMIT


def test_error_when_a_file_is_a_bomb(tmp_path: Path) -> None:
    """It is refused by its sizes, also where nobody would read it."""
    with pytest.raises(DocumentError, match=r"unpacks to more than 200 times its size"):
        names_in(pack(tmp_path / "a.zip", "a.md", "zeros.bin", content=b"\0" * 3_000_000))


def test_error_when_an_archive_unpacks_to_too_much(tmp_path: Path) -> None:
    """The sizes of all files are added up, as the directory gives them."""
    path = pack(tmp_path / "a.zip", "a.md")
    start, middle, end = path.read_bytes().partition(b"PK\x01\x02")
    sizes = struct.pack("<LL", 100_000_001, 100_000_001)
    path.write_bytes(start + middle + end[:16] + sizes + end[24:])
    with pytest.raises(DocumentError, match=r"unpacks to more than 100 MB\. Split it"):
        names_in(path)


def test_error_when_the_directory_is_large(tmp_path: Path) -> None:
    """It is refused before an object is made of each of its entries."""
    path = tmp_path / "a.zip"
    size = 4_000_001
    path.write_bytes(b"\0" * size + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, size, 0, 0))
    with pytest.raises(DocumentError, match=r"damaged, .* \(its directory is too large\)"):
        names_in(path)


def test_large_file_is_read_when_the_directory_is_small(tmp_path: Path) -> None:
    """The limit of the directory is none of the files."""
    cell = {"cell_type": "code", "source": "plot(x)", "outputs": ["x" * 4_500_000]}
    with ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.ipynb", json.dumps({"nbformat": 4, "cells": [cell]}))
    (document,) = read_documents(tmp_path / "a.zip")
    assert document.text == "```\nplot(x)\n```"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"damaged, or no zip archive \(File is not a zip file\)\. Pack it again"),
        (b"text", r"damaged, or no zip archive"),
        (None, r"a\.md' is damaged, .*Bad CRC-32"),
    ],
)
def test_error_when_an_archive_is_damaged(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    """The archive is named, or the file in it that cannot be read."""
    path = pack(tmp_path / "a.zip", "a.md")
    if content is None:
        with ZipFile(path, "w") as archive:
            archive.writestr("a.md", "text")
        content = path.read_bytes().replace(b"text", b"tent")
    path.write_bytes(content)
    with pytest.raises(DocumentError, match=message):
        names_in(path)


def test_error_when_an_archive_holds_no_document(tmp_path: Path) -> None:
    """As with a folder, that is a mistake."""
    with pytest.raises(DocumentError, match=r"a\.zip' holds no document\. Add files of"):
        names_in(pack(tmp_path / "a.zip", "README.md"))


def test_error_names_the_file_when_one_in_the_archive_is_at_fault(tmp_path: Path) -> None:
    """The documents before it are there, as from a folder."""
    with ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.md", "text")
        archive.writestr("b.md", b"\xff")
    documents = read_documents(tmp_path / "a.zip")
    assert next(documents).name == "a.md"
    with pytest.raises(DocumentError, match=r"a\.zip/b\.md' is not UTF-8 text"):
        next(documents)


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_damage_is_an_error_or_harmless_when_bytes_change(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever byte changes, no other exception leaves."""
    path = tmp_path_factory.getbasetemp() / "fuzzed.zip"
    whole = bytearray(pack(path, "a.md", "week/b.txt").read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole)
    with suppress(DocumentError):
        assert all(document.text for document in read_documents(path))
