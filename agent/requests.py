"""A request that was admitted, and what is refused before anything is spent on it."""

import uuid
from dataclasses import dataclass
from typing import TypedDict

from agent.courses.course import Course
from agent.errors import InputError, TooLargeError
from agent.privacy.consent import ConsentStatus
from agent.privacy.owner import Owner
from agent.privacy.redaction import Redactor
from graphs.context import Context
from graphs.state import PROMPT_TYPES, PromptType

MAX_MESSAGE_BYTES = 1_000_000
_SHOWN = 60
"""Characters of a wrong value that an error repeats."""


class Options(TypedDict, total=False):
    """What a caller may say beside the message."""

    prompt_type: str
    """`auto`, `planning`, `chat` or `codegen`."""
    thread_id: str | None
    """The conversation to go on with."""
    assignment_id: str | None
    """The planned assignment that the message is about."""
    course: str
    model: str
    """`provider:model`, from the catalogue."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a caller asked for, as it was given."""

    message: str
    prompt_type: str = "auto"
    thread_id: str | None = None
    assignment_id: str | None = None
    course: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What runs: the student's words, whose they are, on which thread, in which run."""

    message: str
    run_id: uuid.UUID
    thread_id: str
    opens_thread: bool
    memory_id: str
    """What the thread is remembered by: nobody else's thread of the same id is the same."""
    owner: Owner
    course: Course
    outbound: Redactor | None
    """What replaces personal data in what goes to models elsewhere; none: nothing does."""
    consent: ConsentStatus
    context: Context

    @property
    def assignment_id(self) -> str | None:
        """The assignment the request names, if any."""
        return self.context.assignment["assignment_id"] if self.context.assignment else None

    @property
    def keeps_text(self) -> bool:
        """Whether the request's text may be kept, as far as was known when it was let in."""
        return not self.owner.withholds

    @property
    def metadata(self) -> dict[str, str | None]:
        """What every run of the request is recorded and traced with."""
        return {
            "thread_id": self.thread_id,
            "session_id": self.thread_id,
            "user_id": self.owner.user_id,
            "assignment_id": self.assignment_id,
            "course": self.owner.course or None,
        }


def check_prompt_type(value: str) -> PromptType | None:
    """Return the kind of help asked for, `None` for `auto`.

    Raises:
        InputError: it is not a kind.
    """
    if value == "auto":
        return None
    for known in PROMPT_TYPES:
        if value == known:
            return known
    raise InputError(
        f"prompt_type {value[:_SHOWN]!r} is not known. Use one of: auto, {', '.join(PROMPT_TYPES)}."
    )


def check_text(message: str) -> None:
    """Refuse what is not a text of a sensible size.

    Raises:
        InputError: it is empty or not text.
        TooLargeError: it is more than `MAX_MESSAGE_BYTES`.
    """
    if not message.strip():
        raise InputError("The message is empty. Type a question, a task or an assignment text.")
    try:
        size = len(message.encode("utf-8"))
    except UnicodeEncodeError:
        raise InputError("The message is not valid Unicode text. Send it as UTF-8.") from None
    if size > MAX_MESSAGE_BYTES:
        raise TooLargeError(
            f"The message has {size:,} bytes; {MAX_MESSAGE_BYTES:,} is the most. "
            "Send the part that matters."
        )
    if "\0" in message:
        raise InputError("The message holds NUL characters, so it is not text. Send text.")


def check_uuid(value: str, name: str) -> str:
    """Return an id in its canonical form.

    Raises:
        InputError: it is not a UUID.
    """
    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise InputError(f"{name} {value[:_SHOWN]!r} is not a UUID.") from None
