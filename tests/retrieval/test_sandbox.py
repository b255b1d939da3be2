"""What a file may cost that is read in a process of its own."""

import io
import json
import signal
import sys
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import docx
import pytest

from retrieval import DocumentError
from retrieval.reading import sandbox
from retrieval.reading.sandbox import Extract, Limits, answer, extract
from tests.papers import pdf_of, pdf_with

BOMB = pdf_with([b"BT /F 1 Tf " + b"(a) Tj " * 300_000 + b"ET"], deflated=True)
"""A few kB that keep a reader computing for seconds."""


def test_text_comes_back_when_a_file_is_read_apart() -> None:
    """Both sides speak the same."""
    data = pdf_of("Gr\u00fc\u00dfe (all)", title="Lab")
    assert extract("pdf", data, "a.pdf") == Extract("Lab", "## page 1\n\nGrüße (all)")


def test_fault_comes_back_when_a_file_is_read_apart() -> None:
    """The error is the one of the reader, and names the file as it is named here."""
    place = "/tmp/\u00fc \udcff'a.pdf"  # noqa: S108 - a name alone: nothing is opened
    with pytest.raises(DocumentError, match="has no text") as caught:
        extract("pdf", pdf_of(""), place)
    assert repr(place) in str(caught.value)


def test_answer_is_json_when_it_is_a_text_or_a_fault() -> None:
    """What the process writes holds one or the other."""
    assert json.loads(answer("pdf", pdf_of("x", title="Lab"), "a.pdf")) == {
        "title": "Lab",
        "text": "## page 1\n\nx",
    }
    assert json.loads(answer("pdf", pdf_of(""), "a.pdf")).keys() == {"fault"}
    word = io.BytesIO()
    docx.Document().save(word)
    assert "has no text" in json.loads(answer("docx", word.getvalue(), "a.docx"))["fault"]


def test_error_when_a_file_computes_for_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system ends the process; the reader's own limits would let it go on."""
    assert len(BOMB) < 5_000
    monkeypatch.setattr(sandbox, "_PATIENCE", 60)
    before = getrusage(RUSAGE_CHILDREN).ru_utime
    with pytest.raises(DocumentError, match=r"takes too much time or memory to read\. Save it as"):
        extract("pdf", BOMB, "a.pdf", Limits(seconds=1))
    assert getrusage(RUSAGE_CHILDREN).ru_utime - before < 1.5


def test_error_when_a_file_needs_too_much_memory() -> None:
    """It ends before the machine is short of memory."""
    with pytest.raises(DocumentError, match="takes too much time or memory"):
        extract("pdf", BOMB, "a.pdf", Limits(memory=80_000_000))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import time; time.sleep(60)", "takes too much time"),
        ("import os; os.kill(os.getpid(), 9)", "takes too much time"),
        ("raise SystemExit(1)", "damaged, or no pdf file"),
    ],
)
def test_error_when_the_process_ends_otherwise(
    monkeypatch: pytest.MonkeyPatch, code: str, message: str
) -> None:
    """A reader that waits, is killed or breaks leaves no file unnamed."""
    monkeypatch.setattr(sandbox, "_CHILD", code)
    monkeypatch.setattr(sandbox, "_PATIENCE", 0.2)
    with pytest.raises(DocumentError, match=rf"'a\.pdf' .*{message}"):
        extract("pdf", b"", "a.pdf", Limits(seconds=1))


def test_error_when_no_process_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An interpreter that is gone is no fault of the file."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    with pytest.raises(DocumentError, match=r"no process starts \(No such file"):
        extract("pdf", b"", "a.pdf")


@pytest.mark.parametrize("kind", ["pdf", "docx"])
def test_error_when_the_system_bounds_no_process(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Windows has neither the module nor the signal; the file is not read unbounded."""
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.delattr(signal, "SIGXCPU")
    with pytest.raises(DocumentError, match=r"'lab 1' cannot .* on Linux and macOS only\. Save it"):
        extract(kind, pdf_of("Sort a list."), "lab 1")


def test_process_has_no_keys_and_writes_no_file_when_it_reads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What a hostile file could reach is little."""
    monkeypatch.setenv("ASSIST_API_KEY", "secret")
    probe = (
        "import json, os, sys; sys.path[:] = sys.argv[5:]; from retrieval.reading import sandbox;"
        "sandbox._limit(5, 512_000_000)\n"
        f"try: open({str(tmp_path / 'x')!r}, 'wb', 0).write(b'x')\n"
        "except OSError as error: json.dump({'title': str(dict(os.environ)), 'text': str(error)},"
        "sys.stdout)"
    )
    monkeypatch.setattr(sandbox, "_CHILD", probe)
    found = extract("pdf", b"", "a.pdf")
    assert "secret" not in found.title
    assert found.text.endswith("File too large")
