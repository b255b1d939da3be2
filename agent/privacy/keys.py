"""API keys: shown once, kept as a digest, and turned back into who is asking.

It knows nothing of HTTP, nor of what a role may do; that is `agent.privacy.access`.
"""

import hmac
import re
import reprlib
import secrets
import string
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import JSON, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from agent.database import Database, Table
from agent.errors import InputError, NotFoundError
from agent.privacy.access import ROLES, Caller, Role
from agent.privacy.erasure import refuse_while_erased
from agent.privacy.people import LOCAL_PERSON, People, Person, plain_name
from agent.privacy.secret import Secret

LONGEST_COURSE = 100
"""Characters."""
_PREFIX_LENGTH = 8
_PREFIX_LETTERS = string.ascii_lowercase + string.digits
_SECRET_BYTES = 32
_KEY = re.compile(r"aa_[a-z0-9]{8}_[A-Za-z0-9_-]{43}")
_NAMED = re.compile(r"(?:aa_)?([a-z0-9]{8})(?:_.*)?")
"""How a key is named to revoke it: its prefix, also with what stands around it."""
_NO_KEY = f"aa_{'0' * 8}_{'0' * 43}"
_NO_DIGEST = "0" * 64
"""What a text that is no key is compared as, so that it takes as long as a wrong key."""
_USE_KEPT_EVERY = timedelta(minutes=1)


class KeyRow(Table):
    """One key; the key itself stands nowhere."""

    __tablename__ = "keys"

    prefix: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]
    """HMAC of the whole key, in hexadecimal."""
    name: Mapped[str]
    """Whose key it is, as in `people`."""
    role: Mapped[str]
    courses: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[str]
    expires_at: Mapped[str | None]
    revoked_at: Mapped[str | None]
    last_used_at: Mapped[str | None]
    """To the minute."""


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What may be shown of a key."""

    prefix: str
    name: str = field(repr=False)
    role: str
    courses: tuple[str, ...]
    created_at: str
    expires_at: str | None = None
    revoked_at: str | None = None
    last_used_at: str | None = None


class KeyStore:
    """The keys of one installation."""

    def __init__(
        self,
        database: Database,
        people: People,
        secret: Secret,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._people = people
        self._secret = secret
        self._clock = clock
        self._uses: dict[str, str] = {}
        """When a use was last handed to the writer, by prefix."""
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="key-uses")

    def create(
        self,
        name: str,
        role: str,
        courses: Iterable[str] = (),
        expires_at: datetime | None = None,
    ) -> tuple[str, KeyInfo]:
        """Make a key; return its text, which nobody can read again, and what is kept of it.

        Args:
            name: whose key it is: a login name or an enrolment id.
            role: student, teacher, auditor or admin.
            courses: the courses that it opens.
            expires_at: the moment from which it opens nothing; none: it does not expire.

        Raises:
            InputError: name, role, a course or the expiry does not fit.
            ErasedError: everything of the person is being erased.
        """
        if plain_name(name) == LOCAL_PERSON:
            raise InputError(
                f"{LOCAL_PERSON!r} is the person of an installation without keys, whose threads a "
                "key of this name would open. Use the person's login name."
            )
        now = self._clock()
        info = KeyInfo(
            prefix="".join(secrets.choice(_PREFIX_LETTERS) for _ in range(_PREFIX_LENGTH)),
            name=plain_name(name),
            role=_role(role),
            courses=tuple(sorted({_course(course) for course in courses})),
            created_at=_as_stored(now),
            expires_at=_as_stored(_later(expires_at, now)) if expires_at else None,
        )
        key = f"aa_{info.prefix}_{secrets.token_urlsafe(_SECRET_BYTES)}"
        user_id = self._people.pseudonym_of(info.name)
        with self._database.begin() as session:
            refuse_while_erased(session, user_id)  # before the name is written down again
            self._people.enter(session, info.name, user_id)
            session.add(
                KeyRow(
                    prefix=info.prefix,
                    digest=self._digest(key),
                    name=info.name,
                    role=info.role,
                    courses=list(info.courses),
                    created_at=info.created_at,
                    expires_at=info.expires_at,
                )
            )
        return key, info

    def find(self, key: str) -> Caller | None:
        """Return whose key it is; none if it is garbled, unknown, revoked or expired.

        Each way to none takes one look-up, one digest and one comparison.
        """
        text = key if _KEY.fullmatch(key) else _NO_KEY
        prefix = text[3 : 3 + _PREFIX_LENGTH]
        wanted = (
            select(
                KeyRow.digest,
                KeyRow.name,
                KeyRow.role,
                KeyRow.courses,
                KeyRow.expires_at,
                KeyRow.revoked_at,
                KeyRow.last_used_at,
                Person.user_id,
            )
            .join(Person, Person.name == KeyRow.name)
            .where(KeyRow.prefix == prefix)
        )
        with self._database.read() as session:
            row = session.execute(wanted).first()
        is_same = hmac.compare_digest(row.digest if row else _NO_DIGEST, self._digest(text))
        if row is None or not is_same or row.revoked_at:
            return None
        now = self._clock()
        if row.expires_at and row.expires_at <= _as_stored(now):
            return None
        self._note_use(prefix, row.last_used_at, now)
        return Caller(row.user_id, row.name, row.role, tuple(row.courses))

    def revoke(self, prefix: str) -> KeyInfo:
        """Close a key for every request that starts after it; closing it again changes nothing.

        Args:
            prefix: its eight characters; a whole key is taken by its prefix.

        Raises:
            NotFoundError: there is no such key.
        """
        named = _NAMED.fullmatch(prefix)
        with self._database.begin() as session:
            row = session.get(KeyRow, named[1]) if named else None
            if row is None:
                raise NotFoundError(
                    "There is no key of this prefix. See 'assist keys list' for the prefixes."
                )
            row.revoked_at = row.revoked_at or _as_stored(self._clock())
            return _info(row)

    def list(self) -> Sequence[KeyInfo]:
        """Return what is kept of every key, the oldest first."""
        with self._database.read() as session:
            rows = session.scalars(select(KeyRow).order_by(KeyRow.created_at, KeyRow.prefix))
            return [_info(row) for row in rows]

    def close(self) -> None:
        """Write down the uses that are still under way; call it before the database closes."""
        self._writer.shutdown()

    def _digest(self, key: str) -> str:
        return self._secret.hmac("api-key", key).hex()

    def _note_use(self, prefix: str, kept: str | None, now: datetime) -> None:
        """Have a use written by another thread, unless one was within the last minute."""
        stale = _as_stored(now - _USE_KEPT_EVERY)
        if max(kept or "", self._uses.get(prefix, "")) > stale:
            return
        self._uses[prefix] = _as_stored(now)
        self._writer.submit(self._keep_use, prefix, _as_stored(now), stale)

    def _keep_use(self, prefix: str, used_at: str, stale: str) -> None:
        unkept = or_(KeyRow.last_used_at.is_(None), KeyRow.last_used_at <= stale)
        with self._database.begin() as session:
            session.execute(
                update(KeyRow)
                .where(KeyRow.prefix == prefix, unkept)
                .values(last_used_at=used_at)
                .execution_options(synchronize_session=False)
            )


def _info(row: KeyRow) -> KeyInfo:
    return KeyInfo(
        prefix=row.prefix,
        name=row.name,
        role=row.role,
        courses=tuple(row.courses),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )


def _role(role: str) -> Role:
    if role not in ROLES:
        raise InputError(
            f"The role {reprlib.repr(role)} is not known. Use one of: {', '.join(ROLES)}."
        )
    return role


def _course(course: str) -> str:
    if not course.strip() or len(course) > LONGEST_COURSE or not course.isprintable():
        raise InputError(
            f"The course {reprlib.repr(course)} is none: it is empty, longer than "
            f"{LONGEST_COURSE} characters, or holds characters that cannot be seen. Correct it."
        )
    return course.strip()


def _later(moment: datetime, now: datetime) -> datetime:
    if moment <= now:
        raise InputError(f"The key would expire on {moment:%Y-%m-%d}, which is past. Choose later.")
    return moment


def _as_stored(moment: datetime) -> str:
    """Write a time as `agent.database.utc_now` does, so that times compare as texts."""
    written = moment.astimezone(UTC).isoformat(timespec="microseconds")
    return written.replace("+00:00", "Z")
