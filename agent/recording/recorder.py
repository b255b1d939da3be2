"""What records the runs of one process, opened and closed together."""

import atexit
from collections.abc import Callable, Sequence

from langchain_core.callbacks import BaseCallbackHandler

from agent.database import Database
from agent.prices import PriceList, warm
from agent.privacy.owner import Owner
from agent.privacy.redaction import Redactor
from agent.recording.handler import RecordingHandler
from agent.recording.outbox import Opinion
from agent.recording.processes import Heartbeat
from agent.recording.recorded import RecordedGraph, record
from agent.recording.rows import RowMaker
from agent.recording.run_store import RunStore
from agent.recording.shipper import Shipper
from agent.recording.untraced import Untraced
from agent.recording.writer import Writer
from agent.settings import Settings
from graphs.build import AssistantGraph


class Recorder:
    """The handler, what commits what it hears, and the signs of life of this process."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        *,
        default_owner: Owner,
        has_consent: Callable[[Owner], bool],
        make_redactor: Callable[[Owner], Redactor],
        opinions_of: Callable[[str], Sequence[Opinion]] = lambda _: (),
    ) -> None:
        """Open it; `close` it.

        Raises:
            SettingsError: the file of prices cannot be used.
            StorageError: the database cannot be used.
        """
        prices = PriceList.open(settings)
        warm()
        sends = settings.langsmith_tracing
        self._heartbeat = Heartbeat(database, sends=sends)
        self._heartbeat.start()
        self._shipper: Shipper | None = None
        if sends:
            self._shipper = Shipper.open(
                settings,
                database,
                process_id=self._heartbeat.process_id,
                has_consent=has_consent,
                opinions_of=opinions_of,
            )
            self._shipper.start()
        wake = self._shipper.wake if self._shipper else None
        self.writer = Writer(RunStore(database), on_commit=wake)
        rows = RowMaker(
            process_id=self._heartbeat.process_id,
            sends=sends,
            has_consent=has_consent,
            make_redactor=make_redactor,
        )
        self.handler = RecordingHandler(
            self.writer, rows, prices=prices, default_owner=default_owner, adopts=sends
        )
        """Records whatever it is given to, as `config={"callbacks": [handler]}`."""
        self.callbacks: list[BaseCallbackHandler] = [self.handler, Untraced()]
        atexit.register(self.close)  # a notebook may end without closing anything

    def record(self, graph: AssistantGraph) -> RecordedGraph:
        """Return a graph that is recorded, whoever invokes it and however."""
        return record(graph, self.writer).with_config({"callbacks": self.callbacks})

    def flush(self, timeout: float) -> bool:
        """Send what waits for LangSmith, for some seconds at most; return whether all is sent."""
        self.writer.wait()
        return self._shipper is None or self._shipper.flush(timeout)

    def close(self) -> None:
        """Write what is left, send what of it can be sent in a few seconds, and sign off."""
        atexit.unregister(self.close)
        self.writer.close()
        if self._shipper:
            self._shipper.close()
        self._heartbeat.close()
