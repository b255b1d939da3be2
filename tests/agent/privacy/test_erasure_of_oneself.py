"""The one person of a machine can be erased too, and begin again when that is finished."""

from pathlib import Path

import pytest

from agent.blocking import Assistant
from agent.erasure import Eraser
from agent.errors import ErasedError
from agent.holdings import holdings_of
from agent.privacy.erasure import ErasureLedger
from agent.recording.run_store import Run
from agent.settings import Settings
from agent.stores import Stores
from tests.agent.test_assistant import NOTE


def test_local_person_is_refused_until_their_erasure_is_finished(
    settings: Settings, tmp_path: Path
) -> None:
    """What they asked before it is finished would go with the rest; afterwards they are new."""
    (tmp_path / "note.md").write_text(NOTE, "utf-8")
    with Assistant(settings) as assistant:
        assistant.knowledge.add(tmp_path / "note.md")
        assistant.ask("How do I count words?")
    stores = Stores.open(settings)
    ledger = ErasureLedger(stores.database)
    ledger.begin(stores.user_id, lambda _: None)
    stores.vault.keys.destroy(stores.user_id)
    stores.close()
    with (
        Assistant(settings) as assistant,
        pytest.raises(ErasedError, match="asked to be erased"),
    ):
        assistant.ask("How do I count words?")
    stores = Stores.open(settings)
    assert not stores.vault.knows(stores.user_id)
    Eraser(stores=stores, holdings=holdings_of(stores, settings)).resume()
    stores.close()
    with Assistant(settings) as assistant:
        answer = assistant.ask("How do I count words?")
        theirs = assistant.stores.runs.tree(answer.run_id)
        assert {run.user_id for run in theirs} == {assistant.local.user_id}
        with assistant.stores.database.read() as session:
            before = session.query(Run).where(Run.user_id == "erased").count()
    assert before > 0
