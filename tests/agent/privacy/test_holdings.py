"""The registry: every table and every file is somebody's, or nobody's for a reason that is said."""

from pathlib import Path

import pytest
from sqlalchemy import inspect

import agent.assistant
from agent.database import Database, Table
from agent.holdings import NOBODYS_FILES, NOBODYS_TABLES, holdings_of
from agent.privacy.holdings import Holding
from agent.retention import Retainer
from agent.settings import Settings
from agent.stores import Stores
from agent.thread_book import ThreadBook
from tests.agent.privacy.people_with_data import Scene, peopled

PAGE = (Path(__file__).parents[3] / "docs" / "privacy.md").read_text("utf-8")


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Holding]]:
    """The folder of an installation that was used in every way, and its holdings."""
    folder = tmp_path_factory.mktemp("used")
    with peopled(folder, langsmith_api_key="any") as scene:
        stores, settings = scene.assistant.stores, scene.assistant.settings
        found = sorted(path.name for path in (folder / "data").iterdir())
        (folder / "files").write_text("\n".join(found), "utf-8")  # while it is open
        return folder, list(holdings_of(stores, settings))


def test_table_is_named_when_it_is_in_the_schema(used: tuple[Path, list[Holding]]) -> None:
    """A new table fails here until a holding answers for it, or it is said to be nobody's."""
    folder, holdings = used
    assert agent.assistant  # which loads whatever has a table
    named = [*NOBODYS_TABLES, *(table for holding in holdings for table in holding.tables)]
    database = Database.open(f"sqlite:///{folder / 'data' / 'records.db'}")
    there = set(inspect(database.engine).get_table_names())
    database.close()
    assert sorted(named) == sorted(there)
    assert set(Table.metadata.tables) | {"alembic_version"} == there


def test_file_is_named_when_it_is_in_the_data_directory(used: tuple[Path, list[Holding]]) -> None:
    """A new file or folder fails here as well; the logs of a database are the database's."""
    folder, holdings = used
    named = {*NOBODYS_FILES, *(file for holding in holdings for file in holding.files)}
    there = {*(folder / "files").read_text("utf-8").split()}
    there |= {path.name for path in (folder / "data").iterdir()}
    there.add(Settings(data_dir=folder).minilm_path.name)  # `assist index model` makes it
    assert {name.removesuffix("-wal").removesuffix("-shm") for name in there} == named


def test_reason_is_given_when_something_is_kept(used: tuple[Path, list[Holding]]) -> None:
    """Whatever erases nothing says why, in the receipt and on the page."""
    _, holdings = used
    kept = [holding for holding in holdings if holding.kept]
    assert [holding.name for holding in kept] == ["audit", "erasures", "courses"]
    for name in (holding.name for holding in holdings):
        assert f"| {name} |" in PAGE
    for name in (*NOBODYS_FILES, *NOBODYS_TABLES):
        assert f"`{name}`" in PAGE


def test_class_is_swept_when_a_holding_says_that_it_expires(tmp_path: Path) -> None:
    """What a holding says of its time is what the daily round does; nothing is swept besides."""
    with peopled(tmp_path) as scene:
        stores, settings = scene.assistant.stores, scene.assistant.settings
        courses = scene.assistant.admission.courses
        book = ThreadBook(stores.database, settings.checkpoints_path)
        swept = Retainer(stores=stores, courses=courses, threads=book).classes
        said = {
            (table, of)
            for holding in holdings_of(stores, settings)
            for table in holding.tables & Table.metadata.tables.keys()
            for of in holding.expires
        }
    # What belongs to a row goes with it.
    assert said - swept == {
        ("outbox", "content"),
        ("outbox", "metadata"),
        ("audit_anchor", "audit"),
    }
    assert swept <= said


def test_nothing_of_a_person_stands_in_what_is_nobodys(tmp_path: Path) -> None:
    """The tables that no holding answers for hold neither names nor pseudonyms."""
    with peopled(tmp_path) as scene:
        texts = repr(_rows_of_nobody(scene))
        assert scene.ada.user_id not in texts
        assert scene.ada.name not in texts


def _rows_of_nobody(scene: Scene) -> list[object]:
    with scene.assistant.stores.database.engine.connect() as connection:
        return [
            row
            for table in NOBODYS_TABLES
            for row in connection.exec_driver_sql(f"SELECT * FROM {table}").fetchall()  # noqa: S608
        ]


def test_langsmith_is_not_asked_when_it_is_not_set_up(tmp_path: Path) -> None:
    """The receipt says so, because another process may have sent something."""
    settings = Settings(data_dir=tmp_path / "data")
    stores = Stores.open(settings)
    (langsmith,) = [one for one in holdings_of(stores, settings) if one.name == "LangSmith"]
    removed = langsmith.erase(stores.user_id)
    stores.close()
    assert removed == 0
    assert "not set up" in langsmith.kept
