"""People and their pseudonyms: a name stands in one table alone, everything else holds the id.

It knows nothing of what a person may do; that is `agent.privacy.access`.
"""

import unicodedata
import uuid
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from agent.database import Database, Table, insert_into
from agent.errors import InputError
from agent.privacy.erasure import ErasureRow
from agent.privacy.secret import Secret

LOCAL_PERSON = "local"
LONGEST_NAME = 200
"""Characters."""
_VERSION, _VARIANT = 8, 0b10
"""RFC 9562 leaves all other bits of a UUID of version 8 to its maker."""


class Person(Table):
    """Somebody who uses this installation."""

    __tablename__ = "people"

    name: Mapped[str] = mapped_column(primary_key=True)
    """A login name or an enrolment id, as staff gave it."""
    user_id: Mapped[str] = mapped_column(unique=True)
    """The pseudonym, which stands in every record."""


class People:
    """Who uses this installation, by name and by pseudonym."""

    def __init__(self, database: Database, secret: Secret) -> None:
        self._database = database
        self._secret = secret

    def user_id(self, name: str) -> str:
        """Return the pseudonym of a person; a pseudonym that was kept before stays theirs.

        Raises:
            InputError: the name is none.
        """
        name = plain_name(name)
        known = self._known(name)
        if known is not None:
            return known
        made = pseudonym(self._secret, name)
        try:
            with self._database.begin() as session:
                session.add(Person(name=name, user_id=made))
        except IntegrityError:
            known = self._known(name)  # somebody else added them at the same moment
            if known is None:
                raise
            return known
        return made

    def pseudonym_of(self, name: str) -> str:
        """Return the pseudonym that a person has or would get; nothing is written down.

        Raises:
            InputError: the name is none.
        """
        name = plain_name(name)
        return self._known(name) or pseudonym(self._secret, name)

    def under_erasure(self, session: Session, names: Iterable[str]) -> set[str]:
        """Return those names whose people are being erased, in a transaction of somebody else's."""
        ids = set(
            session.scalars(select(ErasureRow.user_id).where(ErasureRow.finished_at.is_(None)))
        )
        if not ids:
            return set()
        known = set(session.scalars(select(Person.name).where(Person.user_id.in_(ids))))
        return {name for name in names if name in known or pseudonym(self._secret, name) in ids}

    def enter(self, session: Session, name: str, user_id: str) -> None:
        """Write a person down in a transaction of somebody else's; once is enough."""
        insert = insert_into(session.connection().dialect, Person)
        person = {"name": plain_name(name), "user_id": user_id}
        session.execute(insert.values(person).on_conflict_do_nothing())

    def names_behind(self, user_id: str, names: Iterable[str]) -> list[str]:
        """Return those names that are a person's, also where the person was never here."""
        known = self.name_of(user_id)
        return [name for name in names if name == known or pseudonym(self._secret, name) == user_id]

    def name_of(self, user_id: str) -> str | None:
        """Return the name behind a pseudonym, where this installation knows it."""
        with self._database.read() as session:
            return session.scalar(select(Person.name).where(Person.user_id == user_id))

    def _known(self, name: str) -> str | None:
        with self._database.read() as session:
            person = session.get(Person, name)
        return person.user_id if person else None


def pseudonym(secret: Secret, name: str) -> str:
    """Compute a name's pseudonym: a digest in the shape of a UUID of version 8."""
    bits = int.from_bytes(secret.hmac("pseudonym", name)[:16])
    bits = bits & ~(0xF << 76) | _VERSION << 76
    bits = bits & ~(0b11 << 62) | _VARIANT << 62
    return str(uuid.UUID(int=bits))


def plain_name(name: str) -> str:
    """Return a name in the one spelling under which it is kept.

    Raises:
        InputError: it is empty, too long, or holds characters that cannot be seen.
    """
    plain = unicodedata.normalize("NFC", name.strip())
    if not plain or len(plain) > LONGEST_NAME or not plain.isprintable():
        raise InputError(
            "The name is not a login name or an enrolment id: it is empty, longer than "
            f"{LONGEST_NAME} characters, or holds characters that cannot be seen. Correct it."
        )
    return plain
