"""Sends what waits in the outbox to LangSmith, in a thread of its own.

Every process has one, and one at a time sends for all. Nothing leaves the outbox before LangSmith
has taken it, or knew it already; requests of people never wait for any of this.
"""

import logging
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Self

from agent.database import Database
from agent.errors import StorageError
from agent.privacy.owner import Owner
from agent.recording.backlog import Backlog, Row
from agent.recording.frames import RunShaper, SentRun, feedback_of
from agent.recording.langsmith import PATIENCE, Answer, LangSmith
from agent.recording.outbox import Opinion
from agent.settings import Settings

_FEEDBACK_AT_ONCE = 20
_UNKNOWN_FOR = timedelta(minutes=10)
"""How long LangSmith may not know the run that feedback belongs to."""
_REPORTED_LIMIT = timedelta(hours=24)
"""LangSmith is reported to refuse runs that started longer ago."""
_REMEMBERED = 10_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often what is done, in seconds."""

    poll: float = 1.0
    """Between two looks for what other processes recorded, and for runs that take long."""
    gather: float = 0.5
    """That a run waits for others to share a request with."""
    first_pause: float = 0.5
    """After a failure; each further one doubles it."""
    longest_pause: float = 30.0
    closed_pause: float = 60.0
    """After a key or an address was refused."""
    longest_asked: float = 60.0
    """That the server can ask to be left alone."""
    announced_after: float = 5.0
    """That a request may take before its start is told."""


class _Pauses:
    """When to try again."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._failures = 0
        self._until = 0.0

    @property
    def are_over(self) -> bool:
        """Whether it may be tried now."""
        return time.monotonic() >= self._until

    @property
    def left(self) -> float:
        """The seconds until then."""
        return max(0.0, self._until - time.monotonic())

    def reset(self) -> None:
        """Forget the failures so far."""
        self._failures, self._until = 0, 0.0

    def extend(self, answer: Answer) -> None:
        """Wait after a failure: longer each time, and as long as the server asks for."""
        pause = min(self._pace.longest_pause, self._pace.first_pause * 2**self._failures)
        if answer.verdict == "closed":
            pause = self._pace.closed_pause
        pause *= random.uniform(0.75, 1.25)  # noqa: S311 - so that processes do not try in step
        asked = min(answer.retry_after or 0.0, self._pace.longest_asked)
        self._failures = min(self._failures + 1, 16)
        self._until = time.monotonic() + max(pause, asked)


class Shipper:
    """Sends runs and feedback; it belongs to the process that made it, not to its forks."""

    def __init__(
        self,
        backlog: Backlog,
        langsmith: LangSmith,
        shaper: RunShaper,
        *,
        has_consent: Callable[[Owner], bool],
        opinions_of: Callable[[str], Sequence[Opinion]],
        pace: Pace | None = None,
    ) -> None:
        self._backlog = backlog
        self._langsmith = langsmith
        self._shaper = shaper
        self._has_consent = has_consent
        self._opinions_of = opinions_of
        self._pace = pace or Pace()
        self._pauses = _Pauses(self._pace)
        self._feedback_pauses = _Pauses(self._pace)
        self._frames: deque[list[int]] = deque()
        """What is sent next; a frame that failed is sent again as it is, or split."""
        self._patches: set[int] = set()
        """The entries of runs whose starts LangSmith has."""
        self._unwelcome: set[str] = set()
        """The open runs that LangSmith refused; their ends are sent all the same."""
        self._looks_at = 0.0
        self._pid = os.getpid()
        self._wakes = threading.Event()
        self._closing = threading.Event()
        self._hurries = threading.Event()
        self._ends_at = float("inf")
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="shipper", daemon=True)

    @classmethod
    def open(
        cls,
        settings: Settings,
        database: Database,
        *,
        process_id: str,
        has_consent: Callable[[Owner], bool],
        opinions_of: Callable[[str], Sequence[Opinion]],
    ) -> Self:
        """Make a shipper from the settings; `start` it, and `close` it.

        Args:
            settings: Where LangSmith is, and the keys.
            database: The records.
            process_id: By which the heartbeat says that this process is alive.
            has_consent: Whether a person's text may leave, as things stand now.
            opinions_of: What was said of a request.

        """
        keys = (settings.langsmith_api_key, settings.openai_api_key)
        return cls(
            Backlog(database, process_id),
            LangSmith.open(settings),
            RunShaper(
                project=settings.langsmith_project,
                secrets=[key.get_secret_value() for key in keys if key],
            ),
            has_consent=has_consent,
            opinions_of=opinions_of,
        )

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def wake(self) -> None:
        """Say that something was put into the outbox."""
        if os.getpid() == self._pid:
            self._wakes.set()

    def flush(self, timeout: float) -> bool:
        """Send what waits, for some seconds at most; return whether nothing is left."""
        ends_at = time.monotonic() + timeout
        self._hurries.set()
        self._pauses.reset()
        self._feedback_pauses.reset()
        self.wake()
        try:
            while not (is_empty := self._backlog.is_empty()) and time.monotonic() < ends_at:
                self._closing.wait(0.05)
        finally:
            self._hurries.clear()
        return is_empty

    def close(self, patience: float = 4.0) -> None:
        """Send what is left, for some seconds at most; the rest waits for the next process."""
        if os.getpid() != self._pid or self._is_over:
            return
        if not self._thread.is_alive():
            self._langsmith.close()
            return
        self._ends_at = time.monotonic() + patience
        self._closing.set()
        self._wakes.set()
        self._thread.join(patience)
        self._is_over = True

    def _run(self) -> None:
        while not self._closing.is_set():
            if self._work():
                continue
            pause = min(self._pace.poll, self._pauses.left or self._pace.poll)
            if self._wakes.wait(pause) and not self._hurries.is_set():
                self._closing.wait(self._pace.gather)
            self._wakes.clear()
        self._pauses.reset()
        self._feedback_pauses.reset()
        while self._work():
            pass
        if not self._is_over:
            with suppress(StorageError):
                self._backlog.release()
        self._langsmith.close()

    def _work(self) -> bool:
        """Do what there is to do, and say whether there is more to do at once."""
        try:
            has_more = self._send_runs()
            if not has_more:
                has_more = self._send_feedback()
            self._announce()
        except StorageError:
            self._pauses.extend(Answer(None, "storage"))
            return False
        except Exception:  # noqa: BLE001 - nothing may end the thread while there is something to send
            _log.exception("what is recorded could not be sent to LangSmith; it is tried again")
            self._pauses.extend(Answer(None, "internal"))
            return False
        return has_more and not self._is_over

    def _send_runs(self) -> bool:
        """Send one frame."""
        if not self._pauses.are_over or self._patience() <= 0:
            return False
        limit = self._langsmith.terms.most_runs
        if not self._frames and (entries := self._backlog.take("run", limit)):
            self._frames.append(entries)
        if not self._frames:
            return False
        if not self._backlog.acquire():
            self._frames.clear()
            return False
        frame = self._frames[0]
        rows = self._backlog.read(frame)
        if erased := [row for row in rows if row["run_id"] is None]:
            self._backlog.settle(erased)
        rows, sent = self._shaped([row for row in rows if row["run_id"] is not None])
        is_done = self._send_frame(rows, sent) if rows else self._finish()
        return is_done and (bool(self._frames) or len(frame) >= limit or self._is_urgent())

    def _send_frame(self, rows: list[Row], sent: list[SentRun]) -> bool:
        """Send a frame, and say whether the next one may follow at once."""
        is_lone = len(rows) == 1
        failure = self._langsmith.learn(self._patience())
        size = sum(run.size for run in sent)
        if failure is None and not is_lone and size > self._langsmith.terms.most_bytes:
            return self._split(rows)
        answer = failure or self._langsmith.send(sent, patience=self._patience())
        if self._is_over:
            return False
        if answer.verdict in ("later", "closed"):
            return self._fail(self._pauses, rows[0], answer)
        self._pauses.reset()
        if answer.verdict != "taken" and not is_lone:
            return self._split(rows)
        if answer.verdict == "refused":
            is_old = _is_older(rows[0]["started_at"], _REPORTED_LIMIT)
            self._park(rows[0], f"{answer.reason}{'; it started a day ago' if is_old else ''}")
        elif answer.verdict == "known" and sent[0].verb == "post":
            # What LangSmith has may be the start alone; with the end it is complete.
            self._patches.add(rows[0]["entry"])
            return True
        else:
            # A process that was taken for dead may still have the last word on its runs.
            known = [row["run_id"] for row in rows if row["status"] == "abandoned"]
            self._backlog.settle(rows, known=known)
        return self._finish()

    def _finish(self) -> bool:
        """Go on with the next frame."""
        self._patches.difference_update(self._frames.popleft())
        return True

    def _split(self, rows: Sequence[Row]) -> bool:
        """Put two halves of a frame in its place, so that a bad run comes to stand alone."""
        entries = [row["entry"] for row in rows]
        half = len(entries) // 2
        self._frames.popleft()
        self._frames.extendleft([entries[half:], entries[:half]])
        return True

    def _park(self, row: Row, reason: str) -> None:
        _log.warning("LangSmith refuses %s (%s); it was set aside", row["subject_id"], reason)
        self._backlog.park(row["entry"], reason)

    def _fail(self, pauses: _Pauses, row: Row, answer: Answer) -> bool:
        """Wait, and write down why."""
        pauses.extend(answer)
        self._backlog.note(row["entry"], answer.reason)
        return False

    def _shaped(self, rows: Sequence[Row]) -> tuple[list[Row], list[SentRun]]:
        """Return the runs as they are sent; one that cannot be written down is set aside."""
        consents: dict[Owner, bool] = {}
        good: list[Row] = []
        sent: list[SentRun] = []
        for row in rows:
            owner = Owner(row["user_id"], row["course"] or "")
            if owner not in consents:
                consents[owner] = self._may_send(owner)
            is_patch = bool(row["announced_at"]) or row.get("entry") in self._patches
            try:
                run = self._shaper.shape(row, with_text=consents[owner], is_patch=is_patch)
            except Exception as error:  # noqa: BLE001 - whatever is odd about one holds up no other
                if "entry" in row:
                    self._park(row, f"cannot be written ({type(error).__name__})")
                continue
            good.append(row)
            sent.append(run)
        return good, sent

    def _may_send(self, owner: Owner) -> bool:
        try:
            return self._has_consent(owner)
        except Exception:  # noqa: BLE001 - whatever failed: no text leaves
            return False

    def _send_feedback(self) -> bool:
        """Send what people said, each on its own."""
        if not (self._pauses.are_over and self._feedback_pauses.are_over) or self._patience() <= 0:
            return False
        entries = self._backlog.take("feedback", _FEEDBACK_AT_ONCE)
        if not entries or not self._backlog.acquire():
            return False
        return all(self._give(row) for row in self._backlog.read(entries))

    def _give(self, row: Row) -> bool:
        """Send what was said of one request, and say whether the next may follow."""
        try:
            said = self._opinions_of(row["subject_id"]) if row["run_id"] else ()
            may_send = self._may_send(Owner(row["user_id"], row["course"] or "")) if said else False
            bodies = [feedback_of(row, opinion, with_text=may_send) for opinion in said]
        except ValueError as error:
            self._park(row, f"cannot be written ({type(error).__name__})")
            return True
        for body in bodies:
            answer = self._langsmith.give_feedback(body, patience=self._patience())
            if self._is_over:
                return False
            is_gone = answer.status == HTTPStatus.NOT_FOUND and _is_older(
                row["queued_at"], _UNKNOWN_FOR
            )
            if answer.verdict == "refused" or is_gone:
                self._park(row, f"HTTP {answer.status}")
                return True
            if answer.verdict in ("later", "closed"):
                return self._fail(self._feedback_pauses, row, answer)
        self._feedback_pauses.reset()
        self._backlog.settle([row])
        return True

    def _announce(self) -> None:
        """Tell LangSmith of requests that take long, so that one that hangs can be seen."""
        now = time.monotonic()
        if now < self._looks_at or not self._pauses.are_over or self._closing.is_set():
            return
        self._looks_at = now + self._pace.poll
        limit = self._langsmith.terms.most_runs
        rows = self._backlog.open_runs(self._pace.announced_after, limit)
        rows, sent = self._shaped([row for row in rows if row["run_id"] not in self._unwelcome])
        if not rows or not self._backlog.acquire():
            return
        answer = self._langsmith.send(sent, patience=self._patience())
        run_ids = [run.run_id for run in sent]
        if self._is_over:
            return
        if answer.verdict in ("later", "closed"):
            self._pauses.extend(answer)
        elif answer.verdict == "refused" or (answer.verdict == "known" and len(run_ids) > 1):
            self._unwelcome = {*run_ids, *list(self._unwelcome)[:_REMEMBERED]}
        else:
            self._backlog.announced(run_ids)

    def _patience(self) -> float:
        """Return the seconds that a request may take."""
        return min(PATIENCE, self._ends_at - time.monotonic())

    def _is_urgent(self) -> bool:
        return self._hurries.is_set() or self._closing.is_set()


def _is_older(stored: str, age: timedelta) -> bool:
    return datetime.now(UTC) - datetime.fromisoformat(stored) > age
