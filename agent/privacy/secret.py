"""The installation's secret: one file of random bytes, from which pseudonyms and digests come.

It knows neither people nor keys; whoever needs a digest names a purpose of its own.
"""

import hmac
import os
import secrets
import stat
import tempfile
from pathlib import Path

from agent.errors import SettingsError

SECRET_FILE = "secret.key"  # noqa: S105 - the name of the file, not what stands in it
_LENGTH = 32
"""Bytes."""
_DIGEST = "sha256"


class Secret:
    """Random bytes that never leave the process; only digests made with them do."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def open(cls, path: Path) -> "Secret":
        """Read the secret, made at the first use; of two processes at once, one makes it.

        Raises:
            SettingsError: the file cannot be read or made, is too short, or is not private.
        """
        try:
            if not path.exists():
                _make(path)
            with path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                key = file.read()
        except OSError as error:
            raise SettingsError(
                f"The secret {path} cannot be used ({error.strerror}). It has to be a file that "
                "the owner of this process can read, in a folder where it can be made."
            ) from error
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SettingsError(
                f"The secret {path} is open to others (mode {mode:04o}). Run: chmod 600 '{path}'"
            )
        if len(key) < _LENGTH:
            raise SettingsError(
                f"The secret {path} has {len(key)} bytes; {_LENGTH} are needed. Restore it from "
                "a backup; without one, remove it and make every API key again."
            )
        return cls(key)

    def hmac(self, purpose: str, value: str) -> bytes:
        """Return the digest of a text for one purpose; purposes know nothing of each other."""
        own_key = hmac.digest(self._key, purpose.encode(), _DIGEST)
        return hmac.digest(own_key, value.encode("utf-8", "surrogatepass"), _DIGEST)


def _make(path: Path) -> None:
    """Write a new secret beside its place and link it there whole, unless another was quicker."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, beside = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_LENGTH))
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(beside)
    except FileExistsError:
        pass  # the secret of the quicker process holds
    finally:
        Path(beside).unlink()
    _keep_name(path.parent)


def _keep_name(folder: Path) -> None:
    """Write the folder down, so that a power cut leaves no digest without its secret."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
