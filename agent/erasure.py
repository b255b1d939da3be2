"""Everything of a person, given out whole or erased from every store with a receipt.

It knows the order and what has to be waited for; how a store erases is said by its holding. Each
step may be done again, so an erasure that was killed is simply gone on with.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from agent.database import to_json, utc_now
from agent.holdings import DATA_KEYS
from agent.privacy.access import Caller
from agent.privacy.audit import Access, Door
from agent.privacy.erasure import ErasureLedger, Receipt, Step
from agent.privacy.holdings import Holding, StillThereError
from agent.privacy.keyring import FRESH
from agent.recording.langsmith import PATIENCE
from agent.recording.personal import may_be_under_way
from agent.recording.processes import others_are_alive
from agent.stores import Stores

LOG = "database log"
"""The step that takes overwritten pages out of SQLite's write-ahead log."""
_PASSES = 10
"""Times that the stores are gone through; two are enough unless somebody still writes."""


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
    in_flight: float = PATIENCE
    """Seconds after which what was on its way to LangSmith has arrived there."""

    def erase(self, user_id: str, caller: Caller, *, door: Door) -> Receipt:
        """Erase a person; where something takes longer, the receipt says that it is pending.

        Args:
            user_id: Whose everything goes.
            caller: Who asks for it; they have been let in by whoever calls.
            door: Where they came in.

        """

        def note(session: Session) -> None:
            self.stores.audit.append(session, _act("erase", user_id, caller, door))

        return self._go_on(self._ledger.begin(user_id, note))

    def export(self, user_id: str, caller: Caller, *, door: Door) -> Iterator[str]:
        """Return everything of a person as JSON Lines; the last one says how many came before.

        What others read of them is written down before the first line leaves.
        """
        if caller.user_id != user_id or door == "terminal":
            with self.stores.database.begin() as session:
                self.stores.audit.append(session, _act("export", user_id, caller, door))
        return _lines(self.holdings, user_id)

    def resume(self, goes_on: Callable[[], bool] = lambda: True) -> list[Receipt]:
        """Go on with every erasure that is not finished, unless `goes_on` says no before one."""
        return [self._go_on(receipt) for receipt in self._ledger.unfinished() if goes_on()]

    @property
    def _ledger(self) -> ErasureLedger:
        return ErasureLedger(self.stores.database)

    def _go_on(self, receipt: Receipt) -> Receipt:
        try:
            self._empty(receipt)
            if self._is_elsewhere_empty(receipt) and self._is_log_empty(receipt):
                self._ledger.finish(receipt.erasure_id)
        except _FinishedError:
            pass
        return self._ledger.get(receipt.erasure_id) or receipt

    def _empty(self, receipt: Receipt) -> None:
        """Destroy the keys, and go through the stores until nothing new is found.

        What was sealed just before the keys went may be written just after a store was emptied,
        so each is emptied once more; and so are the keys, because a process that had read one at
        that moment forgets it then.
        """
        keys = [holding for holding in self.holdings if holding.name == DATA_KEYS]
        here = [holding for holding in self.holdings if not holding.is_elsewhere]
        self._erase(receipt, keys, is_first=True)
        self.settle()
        if others_are_alive(self.stores.database):
            time.sleep(self.notice)
        is_sending = bool(receipt.steps) or may_be_under_way(self.stores.database, receipt.user_id)
        removed = self._erase(receipt, [one for one in here if one not in keys], is_first=True)
        for _ in range(_PASSES):
            removed = self._erase(receipt, here, is_first=False)
            if not removed:
                break
        asked = {step.store for step in receipt.steps}
        if is_sending and any(one.is_elsewhere and one.name not in asked for one in self.holdings):
            time.sleep(self.in_flight)

    def _erase(self, receipt: Receipt, holdings: Sequence[Holding], *, is_first: bool) -> int:
        """Empty some stores, and return how much was found in them."""
        count = 0
        for holding in holdings:
            removed = holding.erase(receipt.user_id)
            count += removed
            if is_first or removed:
                self._note(receipt, holding.name, removed, kept=holding.kept)
        return count

    def _is_elsewhere_empty(self, receipt: Receipt) -> bool:
        """Have other services delete, and say whether they have."""
        is_empty = True
        for holding in self.holdings:
            if not holding.is_elsewhere:
                continue
            try:
                self._note(receipt, holding.name, holding.erase(receipt.user_id))
            except StillThereError as error:
                is_empty = False
                self._note(receipt, holding.name, error.left, pending=str(error))
        return is_empty

    def _is_log_empty(self, receipt: Receipt) -> bool:
        is_empty = self.stores.database.empty_log()
        pending = "" if is_empty else "Somebody reads all the time; it is tried again."
        self._note(receipt, LOG, 0, pending=pending)
        return is_empty

    def _note(
        self, receipt: Receipt, store: str, removed: int, *, kept: str = "", pending: str = ""
    ) -> None:
        step = Step(
            store=store,
            state="kept" if kept else "pending" if pending else "done",
            removed=removed,
            at=utc_now(),
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
