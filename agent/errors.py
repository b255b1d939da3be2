"""The tree of errors that leave the process, each with an HTTP status and an exit code.

AssistantError
├── InputError            422, 2   the call is wrong
│   ├── TooLargeError     413, 2   the text is larger than this service or model reads
│   ├── NotFoundError     404, 2   the id names nothing of the caller's
│   └── NotIndexedError   409, 2   there are no past assignments to look in
├── UnauthenticatedError  401, 2   no valid key came with the request
├── ForbiddenError        403, 2   the caller's role, courses or reason do not allow it
├── SettingsError         500, 2   the configuration is wrong
├── ModelError            502, 1   the model's server failed or could not be reached
│   ├── ModelBusyError        503, 1   it takes no more requests now
│   ├── ModelTimeoutError     504, 1   it did not answer in time
│   ├── ModelIncompleteError  502, 1   it broke off before the end of its answer
│   ├── ModelDeclinedError    502, 1   it would not answer
│   └── ModelLeakError        502, 1   it gave its instructions away; the answer is withheld
├── DraftError            502, 1   the model's drafts failed their checks; the last one is kept
├── ClosedError           503, 1   the service is being stopped
├── DamagedError          409, 2   what was stored is not as it was written
├── ErasedError           410, 2   its person was erased, and it with them
└── StorageError          503, 1   a store cannot be read or written

Errors of the lower floors are translated here by `translate`; their texts are ours to show.
Whatever is not listed leaves as a bare `AssistantError` without a stranger's words.
"""

from graphs.errors import EmptyRequestError, GraphError, RequestTooLongError, WithheldError
from prompts import PromptError
from retrieval.errors import (
    DocumentError,
    IndexIdentityError,
    IndexMissingError,
    RetrievalError,
)


class AssistantError(Exception):
    """The base; its text may be shown to a person."""

    code = "internal"
    status = 500
    exit_code = 1

    def __init__(self, message: str, *, run_id: str | None = None) -> None:
        super().__init__(message)
        self.run_id = run_id


class InputError(AssistantError):
    """The call is wrong: what, which value, what to do."""

    code = "invalid_input"
    status = 422
    exit_code = 2


class TooLargeError(InputError):
    """The text is larger than this service or the model reads."""

    code = "too_large"
    status = 413


class NotFoundError(InputError):
    """The id names nothing of the caller's."""

    code = "not_found"
    status = 404


class NotIndexedError(InputError):
    """There are no past assignments to look in."""

    code = "not_indexed"
    status = 409


class UnauthenticatedError(AssistantError):
    """No valid key came with the request."""

    code = "unauthenticated"
    status = 401
    exit_code = 2


class ForbiddenError(AssistantError):
    """The caller's role, courses or reason do not allow it."""

    code = "forbidden"
    status = 403
    exit_code = 2


class SettingsError(AssistantError):
    """The configuration is wrong."""

    code = "settings"
    exit_code = 2


class ModelError(AssistantError):
    """The model's server failed or could not be reached."""

    code = "model_failed"
    status = 502


class ModelBusyError(ModelError):
    """The model's server takes no more requests now."""

    code = "model_busy"
    status = 503


class ModelTimeoutError(ModelError):
    """The model did not answer in time."""

    code = "model_timeout"
    status = 504


class ModelIncompleteError(ModelError):
    """The model broke off before the end of its answer."""

    code = "model_incomplete"


class ModelDeclinedError(ModelError):
    """The model would not answer."""

    code = "model_declined"


class ModelLeakError(ModelError):
    """The model gave its instructions away; the answer is withheld."""

    code = "model_leak"


class DraftError(AssistantError):
    """The model's drafts failed their checks; the last one is kept."""

    code = "draft_invalid"
    status = 502

    def __init__(
        self, message: str, *, findings: list[str], draft: str, run_id: str | None = None
    ) -> None:
        super().__init__(message, run_id=run_id)
        self.findings = findings
        self.draft = draft


class ClosedError(AssistantError):
    """The service is being stopped."""

    code = "closed"
    status = 503


class StorageError(AssistantError):
    """A store cannot be read or written."""

    code = "storage"
    status = 503


class DamagedError(AssistantError):
    """What was stored is not as it was written."""

    code = "damaged"
    status = 409
    exit_code = 2


class ErasedError(AssistantError):
    """Its person was erased, and it with them."""

    code = "erased"
    status = 410
    exit_code = 2


_TRANSLATIONS: dict[type[Exception], type[AssistantError]] = {
    EmptyRequestError: InputError,
    RequestTooLongError: TooLargeError,
    WithheldError: ModelLeakError,
    GraphError: AssistantError,
    DocumentError: InputError,
    IndexMissingError: NotIndexedError,
    IndexIdentityError: SettingsError,
    RetrievalError: AssistantError,
    PromptError: SettingsError,
}


def translate(error: Exception, *, run_id: str | None = None) -> AssistantError:
    """Return the error that may leave in place of `error`."""
    if isinstance(error, AssistantError):
        error.run_id = error.run_id or run_id
        return error
    for kind in type(error).__mro__:
        if target := _TRANSLATIONS.get(kind):
            return target(str(error), run_id=run_id)
    return AssistantError(
        f"Something failed that should not ({type(error).__name__}). "
        "The record of this run says what ran; nothing else was kept.",
        run_id=run_id,
    )
