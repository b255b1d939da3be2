"""What people say of the answers they got: one rating for each person and request.

It knows runs and their owners; whether a comment may be kept is decided by its caller.
"""

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from agent.database import Database, Table, utc_now
from agent.errors import InputError, NotFoundError
from agent.recording.outbox import Opinion, queue
from agent.recording.run_store import Run
from agent.recording.texts import storable

Rating = Literal["positive", "neutral", "negative"]

RATINGS: tuple[Rating, ...] = get_args(Rating)
LOWEST, HIGHEST = 1, 5
LONGEST_COMMENT = 2_000
"""Characters."""


class FeedbackRow(Table):
    """What one person says of one request."""

    __tablename__ = "feedback"
    __sealed__ = ("comment",)

    run_id: Mapped[str] = mapped_column(primary_key=True)
    """The root of the request."""
    user_id: Mapped[str] = mapped_column(primary_key=True)
    rating: Mapped[str]
    score: Mapped[int | None]
    comment: Mapped[str | None]
    given_at: Mapped[str]
    changed_at: Mapped[str]


@dataclass(frozen=True, slots=True)
class Feedback:
    """What is kept of one person's feedback."""

    run_id: str
    user_id: str
    rating: str
    score: int | None
    comment: str | None
    given_at: str
    changed_at: str

    @property
    def is_comment_kept(self) -> bool:
        """Whether a comment is kept; without consent there is none."""
        return self.comment is not None


class FeedbackLedger:
    """Who said what of which request; giving feedback again replaces it."""

    def __init__(self, database: Database, *, sends: bool = False) -> None:
        """Take the records, and whether what is said there goes to LangSmith too."""
        self._database = database
        self._sends = sends

    def give(
        self,
        run_id: str,
        user_id: str,
        rating: Rating,
        score: int | None = None,
        comment: str = "",
        *,
        keep_comment: bool,
    ) -> Feedback:
        """Keep what a person says of a request of theirs, and return what was kept.

        Args:
            run_id: the request, or one of its model calls.
            user_id: the person's pseudonym.
            rating: positive, neutral or negative.
            score: 1 to 5.
            comment: at most 2,000 characters.
            keep_comment: whether the person agreed to their text being kept.

        Raises:
            InputError: the rating, the score or the comment does not fit.
            NotFoundError: the run is unknown, or somebody else's.
        """
        _check(rating, score, comment)
        said = {
            "rating": rating,
            "score": score,
            "comment": (comment.strip() or None) if keep_comment else None,
        }
        try:
            return self._write(run_id, user_id, said)
        except IntegrityError:
            # The same person's feedback came in at the same moment; this one replaces it.
            return self._write(run_id, user_id, said)

    def of_run(self, run_id: str) -> Sequence[Feedback]:
        """Return what was said of a request, named by its own id or by a model call's."""
        if not _is_storable(run_id):
            return []
        with self._database.read() as session:
            run = session.get(Run, run_id)
            root = run.root_run_id if run else run_id
            rows = session.scalars(select(FeedbackRow).where(FeedbackRow.run_id == root))
            return [_kept(row) for row in rows]

    def to_send(self, run_id: str) -> Sequence[Opinion]:
        """Return what was said of a request, as LangSmith gets it."""
        return [
            Opinion(
                user_id=said.user_id,
                rating=said.rating,
                score=said.score,
                comment=said.comment,
                given_at=said.given_at,
                changed_at=said.changed_at,
            )
            for said in self.of_run(run_id)
        ]

    def _write(self, run_id: str, user_id: str, said: dict[str, str | int | None]) -> Feedback:
        now = utc_now()
        with self._database.begin() as session:
            root = _root_of(session, run_id, user_id)
            row = session.get(FeedbackRow, (root, user_id))
            if row is None:
                row = FeedbackRow(run_id=root, user_id=user_id, given_at=now)
                session.add(row)
            for name, value in {**said, "changed_at": now}.items():
                setattr(row, name, value)
            if self._sends:
                queue(session, "feedback", [root])
            return _kept(row)


def _root_of(session: Session, run_id: str, user_id: str) -> str:
    run = session.get(Run, run_id) if _is_storable(run_id) else None
    if run is None or run.user_id != user_id:
        raise NotFoundError(
            f"There is no run {reprlib.repr(run_id)} of yours. "
            "Use the run_id that stands in the answer."
        )
    return run.root_run_id


def _check(rating: object, score: object, comment: object) -> None:
    if rating not in RATINGS:
        raise InputError(
            f"The rating {reprlib.repr(rating)} is not known. Use one of: {', '.join(RATINGS)}."
        )
    is_whole = isinstance(score, int) and not isinstance(score, bool)
    if score is not None and not (is_whole and score in range(LOWEST, HIGHEST + 1)):
        raise InputError(
            f"The score {reprlib.repr(score)} is not a whole number from {LOWEST} to {HIGHEST}. "
            "Correct it, or leave it out."
        )
    if not isinstance(comment, str) or not _is_storable(comment):
        raise InputError(
            "The comment is not plain text: it holds NUL or half a character. Remove what is "
            "not text."
        )
    if len(comment) > LONGEST_COMMENT:
        raise InputError(
            f"The comment has {len(comment):,} characters; at most {LONGEST_COMMENT:,} are kept. "
            "Shorten it."
        )


def _is_storable(text: str) -> bool:
    """Say whether every database takes a text: no NUL, no half of a surrogate pair."""
    return text == storable(text)


def _kept(row: FeedbackRow) -> Feedback:
    return Feedback(
        run_id=row.run_id,
        user_id=row.user_id,
        rating=row.rating,
        score=row.score,
        comment=row.comment,
        given_at=row.given_at,
        changed_at=row.changed_at,
    )
