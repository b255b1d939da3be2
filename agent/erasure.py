"""Everything of a person, given out whole or erased from every store with a receipt.

It knows the order and what has to be waited for; how a store erases is said by its holding. Each
step may be done again, so an erasure that was killed is simply gone on with.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from agent.database import to_json, utc_now
from agent.holdings import DATA_KEYS
from agent.privacy.access import Caller
from agent.privacy.audit import Access, Door
from agent.privacy.erasure import ErasureLedger, Receipt, Step
from agent.privacy.holdings import Holding, StillThereError
from agent.privacy.keyring import FRESH
from agent.recording.backlog import outbox_status
from agent.recording.personal import may_be_under_way
from agent.recording.processes import others_are_alive
from agent.stores import Stores

LOG = "database log"
"""The step that takes overwritten pages out of SQLite's write-ahead log."""
KEYS_LOG = "data keys log"
"""The same for the database of keys."""
_PASSES = 10
"""Times that the stores are gone through; two are enough unless somebody still writes."""
_SENT_LATELY = (
    "What was sent lately may be listed late, so it is asked for and looked at once more."
)
_AT_WORK = threading.Lock()
"""Held by the one erasure that a process goes on with, which may wait for long."""


class _FinishedError(Exception):
    """Another process was quicker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Eraser:
    """Erases people from one installation."""

    stores: Stores
    holdings: Sequence[Holding]
    settle: Callable[[], None] = lambda: None
    """Writes down what this process has still in memory."""
    on_step: Callable[[Step], None] = lambda _: None
    """Is told of each step that was done."""
    notice: float = FRESH + 1.0
    """Seconds after which every process knows that a key is gone."""
    late: float = 600.0
    """Seconds after which another service lists all that it was sent."""
    wait: Callable[[float], object] = time.sleep
    """Lets seconds pass; what it raises ends the work, which is gone on with another time."""

    def erase(self, user_id: str, caller: Caller, *, door: Door) -> Receipt:
        """Erase a person; where something takes longer, the receipt says that it is pending.

        Args:
            user_id: Whose everything goes.
            caller: Who asks for it; they have been let in by whoever calls.
            door: Where they came in.

        """
        return self.go_on(self._enter(user_id, caller, door))

    def begin(self, user_id: str, caller: Caller, *, door: Door) -> Receipt:
        """Enter an erasure and empty what is here, without waiting for anybody; then `go_on`.

        One that has begun is returned as it stands. The arguments are those of `erase`.
        """
        receipt = self._enter(user_id, caller, door)
        if not receipt.steps:
            with suppress(_FinishedError):
                self._empty_once(receipt)
        return self._now(receipt)

    def go_on(self, receipt: Receipt) -> Receipt:
        """Do what is left of an erasure, one at a time in this process; return how it stands."""
        with _AT_WORK:
            receipt = self._now(receipt)
            if receipt.finished_at:
                return receipt
            with suppress(_FinishedError):
                self._empty(receipt)
                is_elsewhere_empty = self._is_elsewhere_empty(receipt)
                if self._is_log_empty(receipt) and is_elsewhere_empty:
                    self._ledger.finish(receipt.erasure_id)
            return self._now(receipt)

    def export(self, user_id: str, caller: Caller, *, door: Door) -> Iterator[str]:
        """Return everything of a person as JSON Lines; the last one says how many came before.

        What others read of them is written down before the first line leaves.
        """
        if caller.user_id != user_id or door == "terminal":
            with self.stores.database.begin() as session:
                self.stores.audit.append(session, _act("export", user_id, caller, door))
        return _lines(self.holdings, user_id)

    def resume(self, goes_on: Callable[[], bool] = lambda: True) -> list[Receipt]:
        """Go on with every erasure that is not finished, unless `goes_on` says no before one.

        One that fails holds up no other; the first failure is raised when all were tried.
        """
        receipts: list[Receipt] = []
        failures: list[Exception] = []
        for receipt in self._ledger.unfinished():
            if not goes_on():
                break
            try:
                receipts.append(self.go_on(receipt))
            except Exception as error:  # noqa: BLE001 - it is raised below
                failures.append(error)
        if failures:
            raise failures[0]
        return receipts

    @property
    def _ledger(self) -> ErasureLedger:
        return ErasureLedger(self.stores.database)

    def _enter(self, user_id: str, caller: Caller, door: Door) -> Receipt:
        def note(session: Session) -> None:
            self.stores.audit.append(session, _act("erase", user_id, caller, door))

        return self._ledger.begin(user_id, note)

    def _now(self, receipt: Receipt) -> Receipt:
        """Return an erasure as it stands now."""
        return self._ledger.get(receipt.erasure_id) or receipt

    def _empty(self, receipt: Receipt) -> None:
        """Destroy the keys, and go through the stores until nothing new is found.

        What was sealed just before the keys went may be written just after a store was emptied,
        so each is emptied once more; and so are the keys, because a process that had read one at
        that moment forgets it then.
        """
        here = [holding for holding in self.holdings if not holding.is_elsewhere]
        self._empty_once(receipt)
        if others_are_alive(self.stores.database):
            self.wait(self.notice)
        for _ in range(_PASSES):
            self._note_sent(receipt)
            if not self._erase(receipt, here, noted={one.name for one in here}):
                break

    def _empty_once(self, receipt: Receipt) -> None:
        """Destroy the keys, write down what is still in memory, and empty every store here."""
        keys = [holding for holding in self.holdings if holding.name == DATA_KEYS]
        here = [one for one in self.holdings if not one.is_elsewhere and one not in keys]
        noted = {step.store for step in receipt.steps}
        self._erase(receipt, keys, noted=noted)
        self.settle()
        self._note_sent(receipt)
        self._erase(receipt, here, noted=noted)

    def _erase(
        self, receipt: Receipt, holdings: Sequence[Holding], *, noted: Collection[str]
    ) -> int:
        """Empty some stores, and return how much was found in them."""
        count = 0
        for holding in holdings:
            removed = holding.erase(receipt.user_id)
            count += removed
            if removed or holding.name not in noted:
                self._note(receipt, holding.name, removed, kept=holding.kept)
        return count

    def _note_sent(self, receipt: Receipt) -> None:
        """Write down that traces may turn up late; nothing tells once the runs are nobody's."""
        if may_be_under_way(self.stores.database, receipt.user_id, within=self.late):
            for holding in self.holdings:
                if holding.is_elsewhere and not holding.kept:
                    self._note(receipt, holding.name, 0, pending=_SENT_LATELY)

    def _is_elsewhere_empty(self, receipt: Receipt) -> bool:
        """Have other services delete, and say whether they have."""
        waiting = {step.store: step for step in self._now(receipt).steps if step.state == "pending"}
        is_empty = True
        for holding in self.holdings:
            if not holding.is_elsewhere:
                continue
            before = waiting.get(holding.name)
            try:
                removed = holding.erase(receipt.user_id)
                pending = self._why_not_yet(holding, before)
            except StillThereError as error:
                removed, pending = error.left, str(error)
            is_empty = is_empty and not pending
            kept = "" if pending else holding.kept
            since = before.at if before and pending else ""
            self._note(receipt, holding.name, removed, kept=kept, pending=pending, at=since)
        return is_empty

    def _why_not_yet(self, holding: Holding, before: Step | None) -> str:
        """Return why a service that shows nothing may still hold something.

        Args:
            holding: The service's; where it cannot be asked from here, `kept` says so.
            before: Its step, if it is pending, since when something may turn up.

        """
        if holding.kept:
            is_sending = outbox_status(self.stores.database).sender is not None
            return holding.kept if before or is_sending else ""
        if before is None:
            return ""
        listed_at = datetime.fromisoformat(before.at) + timedelta(seconds=self.late)
        return _SENT_LATELY if datetime.now(UTC) < listed_at else ""

    def _is_log_empty(self, receipt: Receipt) -> bool:
        are_empty = True
        for name, store in ((KEYS_LOG, self.stores.vault.keys), (LOG, self.stores.database)):
            is_empty = store.empty_log()
            pending = "" if is_empty else "Somebody reads all the time; it is tried again."
            self._note(receipt, name, 0, pending=pending)
            are_empty = are_empty and is_empty
        return are_empty

    def _note(
        self,
        receipt: Receipt,
        store: str,
        removed: int,
        *,
        kept: str = "",
        pending: str = "",
        at: str = "",
    ) -> None:
        step = Step(
            store=store,
            state="kept" if kept else "pending" if pending else "done",
            removed=removed,
            at=at or utc_now(),
            note=kept or pending,
        )
        if not self._ledger.note(receipt.erasure_id, step):
            raise _FinishedError
        self.on_step(step)


def _lines(holdings: Sequence[Holding], user_id: str) -> Iterator[str]:
    count = 0
    for holding in holdings:
        for item in holding.export(user_id):
            count += 1
            yield f"{to_json({'store': holding.name, 'item': item})}\n"
    end = {"user_id": user_id, "exported_at": utc_now(), "items": count}
    yield f"{to_json({'store': 'export', 'item': end})}\n"


def _act(action: Any, user_id: str, caller: Caller, door: Door) -> Access:
    return Access(
        reader=caller.user_id,
        role=caller.role,
        action=action,
        object_kind="person",
        object_ids=[user_id],
        door=door,
        subject=user_id,
    )
