"""What the redactor finds, what it takes for personal data, and what it costs.

It reads the labelled data (`ASSIST_EVAL_DATA`), whose sets are described in `docs/redaction.md`.
Usage: python benchmarks/redaction.py [--output FILE]
"""

import argparse
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from agent.privacy.redaction import Enrolment, Redactor, Roster, Span

Row = dict[str, Any]
Maker = Callable[[Row], Redactor]

STRUCTURED = ("EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "US_SSN", "IP_ADDRESS")
UNLISTED = ("PERSON", "STREET_ADDRESS")
PATIENCE = 50_000
HOSTILE = (
    "a", "a.", "a@", "a@a.", "a-", "a_", "1", "1 ", "1.", "+1 ", "0 1234 ", "123-45-", "12 Aa ",
    "Aa ", "Aa A. ", "A ", "O'", "Al-Aa ", "Dr. Aa ", "my name is Aa ", "May ", "may ", "Mark, ",
    "Chloe Dupont ", "Hi Aa,\n", "Thanks,\nAa\n", "my partners Aa, Aa, Aa and Aa ", "Aa said ",
    "Aa Aa\nx@y.edu\n", "12 Aa Street, Aa ", "Aa 12 Apt. 1\n", "Address:\nAa 12\n", "Rue Aa ",
    "the corner of Aa ", "Aastrasse 1 ", "sk-aB3dE5f", "-----BEGIN PRIVATE KEY-----",
    "eyJhbGciOi.eyJ", "password=", "http://a:b", "::", ":1:2", "DE44AAAA", "4539 ", "<PERSON_1>",
    "\u00e9", "e\u0301", "a\u200b", "\ufdfa", "\ud800", "\x00", "/home/", "x dot y at z dot ",
    "# ", "```\n", "\n", "AaBbCc ", "born on 1/",
)  # fmt: skip
"""Pieces that are repeated up to 50,000 characters."""

UNTUNED = """
[[Solveig]] wrote her own linked list and won't share
the grader [[Hamza]] deducted marks for naming
I think [[Beatriz Carvalho]] has the other half of the repo
does [[Kofi]] need to sign the statement too?
can i reuse the helper that [[Ottoline]] posted?
[[Mirek Havel]] says recursion is evil
my group is [[Zsofia]], [[Abdul]] and me
Dear Prof. [[Quintero]], I missed the lab
we are waiting for [[Ragnhild]] to review
there is a bug in [[Tomasz]]'s branch
as [[Dr. Sithole]] explained, hashing is O(1)
[[Aoife]] and I both get a stack overflow
i worked with [[Chidi Obi]] on part b
pair programming with [[Maeve]] was fun
thanks [[Ilse]], that fixed it
I showed it to [[Bjarne]] and he laughed
my mentor [[Rukmini]] told me to use a heap
[[Evander]] is on my team, he never answers
copied with permission from [[Lucja Nowak]]
student rep: [[Fergus Doyle]]
our client lives at [[19 Willow Crescent]], how do i geocode it
office: [[Room 204, 77 Massachusetts Avenue]]
my parents' house is [[3 Hawthorn Close]]
address = [[Via Roma 12, 20121 Milano]]
Rechnung an [[Lindenallee 7, 50968 Koeln]]
i was at [[250 King St W, Toronto]] when it crashed
"""
"""Sentences written after the rules, which were not changed for them; [[ ]] marks what to find."""


def read_rows(data: Path, name: str) -> list[Row]:
    """Return the rows of one set."""
    return [json.loads(line) for line in (data / name).read_text("utf-8").splitlines()]


def enrolment_of(row: Row) -> Enrolment:
    """Return the sender's record of a student message."""
    record = row["enrolment"]
    return Enrolment(**{name: record.get(name) or "" for name in Enrolment.__slots__})


def course_of(rows: Iterable[Row]) -> list[str]:
    """Return the names of everybody in the student messages who has a full name."""
    names = {f"{row['enrolment']['first']} {row['enrolment']['last']}" for row in rows}
    for row in rows:
        for span in row["spans"]:
            if span["type"] == "PERSON_OTHER":
                names.add(span["value"])
    return sorted(names)


def judge(rows: Sequence[Row], redactor: Maker) -> dict[str, Any]:
    """Count what is found; half of a span's characters make a find."""
    gold: Counter[str] = Counter()
    found: Counter[str] = Counter()
    right = wrong = flagged = 0
    for row in rows:
        spans = redactor(row).redact(row["text"]).spans
        for truth in row["spans"]:
            gold[truth["type"]] += 1
            covered = sum(_shared(truth, span) for span in spans)
            found[truth["type"]] += covered * 2 >= truth["end"] - truth["start"]
        hits = [
            sum(_shared(truth, span) for truth in row["spans"]) * 2 >= span.end - span.start
            for span in spans
        ]
        right += sum(hits)
        wrong += len(hits) - sum(hits)
        flagged += bool(spans) and not row["spans"]
    precision = right / (right + wrong) if right + wrong else 1.0
    recall = sum(found.values()) / sum(gold.values())
    return {
        "precision": round(precision, 3),
        "recall": round(recall, 3),
        "f2": round(5 * precision * recall / (4 * precision + recall), 3),
        "clean_flagged": flagged,
        "types": {
            kind: {"gold": gold[kind], "recall": round(found[kind] / gold[kind], 3)}
            for kind in sorted(gold)
        },
    }


def recall_of(judged: dict[str, Any], kinds: Sequence[str]) -> float:
    """Return the recall over some types together."""
    chosen = [judged["types"][kind] for kind in kinds if kind in judged["types"]]
    total: int = sum(k["gold"] for k in chosen)
    found: float = sum(k["gold"] * k["recall"] for k in chosen)
    return found / total


def false_alarms(rows: Sequence[Row], redactor: Maker) -> float:
    """Return spans per 1,000 lines of code without personal data."""
    spans = sum(len(redactor(row).redact(row["text"]).spans) for row in rows)
    lines: int = sum(row["n_lines"] for row in rows)
    return round(spans * 1000 / lines, 2)


def speed(rows: Sequence[Row], roster: Roster) -> int:
    """Return characters per CPU second with a roster, a redactor for every text."""
    characters = 0
    started = time.process_time()
    while time.process_time() - started < 2.0:  # noqa: PLR2004 - seconds
        for row in rows:
            Redactor(None, roster).redact(row["text"])
            characters += len(row["text"])
    return round(characters / (time.process_time() - started) / 1000) * 1000


def hostile_text(piece: str) -> str:
    """Return a piece repeated up to 50,000 characters."""
    return (piece * (PATIENCE // len(piece) + 1))[:PATIENCE]


def slowest(redactor: Callable[[], Redactor]) -> dict[str, Any]:
    """Return the worst hostile text and its seconds, the better of two tries."""
    times = {
        piece: min(_timed(redactor(), hostile_text(piece)) for _ in range(2)) for piece in HOSTILE
    }
    worst = max(times, key=lambda piece: times[piece])
    return {"texts": len(HOSTILE), "piece": worst, "seconds": round(times[worst], 3)}


def untuned() -> dict[str, Any]:
    """Judge the sentences that no rule was written for, without any record."""
    rows: list[Row] = []
    for marked in UNTUNED.strip().splitlines():
        pieces = re.split(r"\[\[|\]\]", marked)
        spans, place = [], 0
        for number, piece in enumerate(pieces):
            if number % 2:
                kind = "STREET_ADDRESS" if re.search(r"\d", piece) else "PERSON"
                spans.append({"start": place, "end": place + len(piece), "type": kind})
            place += len(piece)
        rows.append({"text": "".join(pieces), "spans": spans})
    return judge(rows, lambda _: Redactor())


def course_texts(data: Path) -> dict[str, Any]:
    """Return spans per 1,000 lines of briefs, questions and answers of courses."""
    texts = [row["text"] for row in read_rows(data, "router_dev.jsonl")]
    for path in sorted((data / "retrieval").glob("[cq][ou][re]*.jsonl")):
        texts += [row["text"] for row in read_rows(path.parent, path.name)]
    briefs = sorted((data / "assignments").rglob("*.md"))
    texts += [path.read_text("utf-8", errors="replace") for path in briefs]
    lines = sum(text.count("\n") + 1 for text in texts)
    spans = sum(len(Redactor().redact(text).spans) for text in texts)
    return {"lines": lines, "spans": spans, "per_1000_lines": round(spans * 1000 / lines, 2)}


def probe(data: Path) -> dict[str, float]:
    """Return how often a name nobody listed is found behind a cue, by group of names."""
    sentences = (
        "my partner {} wrote the parser",
        "the TA {} said a list is fine",
        "me and {} are stuck on task 2",
        "Thanks,\n{}",
    )
    found: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for row in read_rows(data, "name_probes.jsonl"):
        for sentence in sentences:
            asked[row["group"]] += 1
            found[row["group"]] += bool(Redactor().redact(sentence.format(row["name"])).spans)
    return {group: round(found[group] / asked[group], 3) for group in sorted(asked)}


def measure(data: Path) -> dict[str, Any]:
    """Measure everything."""
    student = read_rows(data, "pii_student_dev.jsonl")
    synthetic = read_rows(data, "pii_presidio_dev.jsonl")
    code = read_rows(data, "code_windows_dev.jsonl")
    names = course_of(student)
    roster = Roster(names)
    alone = judge(synthetic, lambda _: Redactor())
    records = {json.dumps(row["enrolment"]): row for row in student}
    return {
        "student": {
            "no record": judge(student, lambda _: Redactor()),
            "sender": judge(student, lambda row: Redactor(enrolment_of(row))),
            "sender and course": judge(student, lambda row: Redactor(enrolment_of(row), roster)),
        },
        "synthetic": alone,
        "structured_recall": round(recall_of(alone, STRUCTURED), 3),
        "unlisted_recall": {kind: round(recall_of(alone, (kind,)), 3) for kind in UNLISTED},
        "untuned": untuned(),
        "probes": probe(data),
        "course_texts": course_texts(data),
        "roster": len(names),
        "false_alarms_per_1000_lines": {
            "no record": false_alarms(code, lambda _: Redactor()),
            "worst sender and course": max(
                false_alarms(code, lambda _, row=row: Redactor(enrolment_of(row), roster))  # type: ignore[misc] # a default binds the loop's row
                for row in records.values()
            ),
        },
        "characters_per_cpu_second": {
            "prose": speed([*synthetic, *student], roster),
            "code": speed(code, roster),
        },
        "hostile": slowest(lambda: Redactor(Enrolment("May", "Lin"), roster)),
    }


def _shared(truth: Row, span: Span) -> int:
    start, end = int(truth["start"]), int(truth["end"])
    return max(0, min(end, span.end) - max(start, span.start))


def _timed(redactor: Redactor, text: str) -> float:
    started = time.process_time()
    redactor.redact(text)
    return time.process_time() - started


def main() -> None:
    """Measure and write the figures."""
    shared = Path(__file__).parents[2] / "shared" / "data"
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    result = measure(Path(os.environ.get("ASSIST_EVAL_DATA") or shared))
    options.output.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
