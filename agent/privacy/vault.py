"""What people wrote is stored sealed: AES-256-GCM under their own key, bound to where it stands.

A text that was moved to another row, column or person does not open; nor does one that was cut,
changed, or put there in clear.
"""

import base64
import os
from typing import NamedTuple

from cryptography.exceptions import InvalidTag

from agent.errors import DamagedError, ErasedError
from agent.privacy.kek import NONCE
from agent.privacy.keyring import ID_LENGTH, KeyRing

FORM = "gcm1."
"""What a sealed text begins with: how it is sealed."""


class Cell(NamedTuple):
    """Where a text stands, and whose it is."""

    table: str
    column: str
    row: str
    user_id: str


class Vault:
    """Seals and opens."""

    def __init__(self, keys: KeyRing) -> None:
        self.keys = keys

    def knows(self, user_id: str) -> bool:
        """Say whether a person was let in, and not erased since.

        Raises:
            StorageError: the keys cannot be read.
        """
        return self.keys.current(user_id) is not None

    def seal(self, cell: Cell, text: str) -> str:
        """Return a text as it is stored.

        Raises:
            ErasedError: the person was erased, so nothing more is written for them.
            StorageError: the person's key cannot be read.
        """
        return FORM + base64.b64encode(self.seal_bytes(cell, text.encode())).decode()

    def open(self, cell: Cell, sealed: object) -> str:
        """Return the text that was sealed for this cell.

        Raises:
            DamagedError: it was not, or was changed since.
            ErasedError: its person was erased.
            StorageError: the person's key cannot be read.
        """
        if not isinstance(sealed, str) or not sealed.startswith(FORM):
            raise _damaged(cell)
        try:
            content = base64.b64decode(sealed[len(FORM) :], validate=True)
        except ValueError:
            raise _damaged(cell) from None
        return self.open_bytes(cell, content).decode()

    def seal_bytes(self, cell: Cell, content: bytes) -> bytes:
        """Return bytes as they are stored; it raises what `seal` does."""
        key = self.keys.current(cell.user_id)
        if key is None:
            raise _erased(cell)
        nonce = os.urandom(NONCE)
        sealed = key.cipher.encrypt(nonce, content, _bound(cell, key.key_id))
        return key.key_id.encode() + nonce + sealed

    def open_bytes(self, cell: Cell, sealed: bytes) -> bytes:
        """Return the bytes that were sealed for this cell; it raises what `open` does."""
        key_id, nonce, content = _parts(sealed)
        try:
            key = self.keys.find(cell.user_id, key_id.decode("ascii"))
        except (DamagedError, UnicodeDecodeError):
            raise _damaged(cell) from None
        if key is None:
            raise _erased(cell)
        try:
            return key.cipher.decrypt(nonce, content, _bound(cell, key.key_id))
        except (InvalidTag, ValueError):
            raise _damaged(cell) from None


def _parts(sealed: bytes) -> tuple[bytes, bytes, bytes]:
    """Take apart the name of the key, the nonce, and what was sealed."""
    middle = ID_LENGTH + NONCE
    return sealed[:ID_LENGTH], sealed[ID_LENGTH:middle], sealed[middle:]


def _bound(cell: Cell, key_id: str) -> bytes:
    return "\x1f".join((*cell, key_id)).encode("utf-8", "surrogatepass")


def _erased(cell: Cell) -> ErasedError:
    return ErasedError(f"The {cell.column} of {cell.table} {cell.row} was erased with its person.")


def _damaged(cell: Cell) -> DamagedError:
    return DamagedError(
        f"The {cell.column} of {cell.table} {cell.row} is not as it was written: it was moved, "
        "cut or changed in the database. Restore it from a backup."
    )
