"""People: one name, one pseudonym, in the whole installation and nowhere else."""

import secrets
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from agent.database import Database
from agent.errors import InputError
from agent.privacy.people import LOCAL_PERSON, People, Person, pseudonym
from agent.privacy.secret import Secret

SECRET = Secret(b"s" * 32)


@pytest.fixture
def database(records_url: str) -> Iterator[Database]:
    """The records, on each database they have to run on."""
    opened = Database.open(records_url)
    yield opened
    opened.close()


@pytest.fixture
def people(database: Database) -> People:
    """The people of that database."""
    return People(database, SECRET)


@pytest.fixture
def name() -> str:
    """A name that nobody had before, with a letter that has two spellings."""
    return f"zoë-{secrets.token_hex(8)}"


@given(st.text(max_size=50))
def test_pseudonym_is_a_uuid_when_computed(name: str) -> None:
    """Version 8, the variant of RFC 9562, the same each time, without the name."""
    made = uuid.UUID(pseudonym(SECRET, name))
    assert (made.version, made.variant) == (8, uuid.RFC_4122)
    assert str(made) == pseudonym(SECRET, name)
    assert made != uuid.UUID(pseudonym(Secret(b"t" * 32), name))


def test_pseudonyms_differ_when_names_do() -> None:
    """All bits that a version 8 leaves free are used."""
    made = [uuid.UUID(pseudonym(SECRET, f"s{number}")).int for number in range(2_000)]
    assert len(set(made)) == 2_000
    always, ever = (1 << 128) - 1, 0
    for bits in made:
        always, ever = always & bits, ever | bits
    assert always == 8 << 76 | 0b10 << 62
    assert ever == (1 << 128) - 1 - (0b0111 << 76) - (0b01 << 62)


def test_pseudonym_is_kept_when_asked_again(database: Database, people: People, name: str) -> None:
    """It is computed from name and secret alone, and stands beside the name."""
    made = people.user_id(name)
    assert made == people.user_id(name) == pseudonym(SECRET, name)
    assert people.user_id(f"{name}x") != made
    with database.read() as session:
        assert session.get_one(Person, name).user_id == made


def test_earlier_pseudonym_stays_when_a_secret_comes(
    database: Database, people: People, name: str
) -> None:
    """What stands in a database of before still belongs to the same person."""
    earlier = str(uuid.uuid4())
    with database.begin() as session:
        session.add(Person(name=name, user_id=earlier))
    assert people.user_id(name) == earlier


def test_person_is_the_same_when_the_name_is_written_otherwise(people: People, name: str) -> None:
    """Blanks around a name, and the way in which a letter is encoded, make nobody else."""
    assert people.user_id(f"  {name.replace('ë', 'e' + chr(0x308))}\n") == people.user_id(name)
    assert people.user_id(name.upper()) != people.user_id(name)


@pytest.mark.parametrize("wrong", ["", "  ", "x" * 201, "a\0b", "a\nb", "\ud83d", "a\u200bb"])
def test_name_is_refused_when_it_is_none(people: People, wrong: str) -> None:
    """What cannot be read or stored is no name; it is not repeated."""
    with pytest.raises(InputError, match=r"^The name is not a login name or an enrolment id") as it:
        people.user_id(wrong)
    assert "xx" not in str(it.value)


def test_person_is_one_when_met_at_once(people: People, name: str) -> None:
    """Two first visits at the same moment are one person and no error."""
    for number in range(5):
        with ThreadPoolExecutor(4) as pool:
            assert len(set(pool.map(people.user_id, [f"{name}{number}"] * 4))) == 1


def test_quicker_row_wins_when_a_person_is_added_meanwhile(database: Database, name: str) -> None:
    """A row that appears between the look and the writing is theirs."""
    earlier = str(uuid.uuid4())

    class Slow(Secret):
        """A secret that takes so long that somebody else comes first."""

        def hmac(self, purpose: str, value: str) -> bytes:
            with database.begin() as session:
                session.add(Person(name=value, user_id=earlier))
            return super().hmac(purpose, value)

    assert People(database, Slow(b"s" * 32)).user_id(name) == earlier


def test_nobody_is_confused_when_a_pseudonym_is_taken(database: Database, name: str) -> None:
    """A pseudonym that stands beside another name is an error, never shared."""
    with database.begin() as session:
        session.add(Person(name=f"{name}-other", user_id=pseudonym(SECRET, name)))
    with pytest.raises(IntegrityError):
        People(database, SECRET).user_id(name)


def test_local_person_has_a_pseudonym_when_asked(tmp_path: Path) -> None:
    """The one person of a local installation is a person like others."""
    database = Database.open(f"sqlite:///{tmp_path / 'records.db'}")
    assert People(database, SECRET).user_id(LOCAL_PERSON) == pseudonym(SECRET, "local")
    database.close()
