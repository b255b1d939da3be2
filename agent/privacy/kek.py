"""The key-encryption keys: they lock people's own keys, and stand in a file or the environment.

The first one locks; those after it still open what they locked before, until `keys rotate` is
through. Nothing here knows people or tables.
"""

import base64
import binascii
import os
import secrets
import stat
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from agent.errors import SettingsError

KEK_FILE = "kek.key"
SETTING = "ASSIST_KEK"
LENGTH = 32
"""Bytes of every key: AES-256."""
NONCE = 12
"""Bytes; random ones are safe for 2**32 uses of one key."""
_UNFINISHED = ".new-"
"""How the name goes on while the file is written."""
_ASIDE = ".before-restore"
_NAME = 8
"""Hexadecimal digits."""
_WHERE_FROM = (
    "Restore it from a backup: assist keys restore BACKUP. For an installation without records, "
    'make one: python -c "import base64, os; print(base64.b64encode(os.urandom(32)).decode())"'
)


@dataclass(frozen=True, slots=True, repr=False)
class Kek:
    """One key-encryption key, known by the first digits of its digest."""

    key: bytes

    @classmethod
    def make(cls) -> Self:
        """Make a new one."""
        return cls(secrets.token_bytes(LENGTH))

    @property
    def kek_id(self) -> str:
        """What it is called; nothing of the key can be told from it."""
        return sha256(b"kek" + self.key).hexdigest()[:_NAME]

    def wrap(self, key: bytes, bound_to: bytes) -> bytes:
        """Lock a key; it opens only with the same `bound_to`."""
        nonce = os.urandom(NONCE)
        return nonce + AESGCM(self.key).encrypt(nonce, key, bound_to)

    def unwrap(self, wrapped: bytes, bound_to: bytes) -> bytes:
        """Open a locked key.

        Raises:
            ValueError: it was locked with another key, for somebody else, or was changed.
        """
        try:
            return AESGCM(self.key).decrypt(wrapped[:NONCE], wrapped[NONCE:], bound_to)
        except InvalidTag:
            raise ValueError("a data key does not open") from None


class Keks:
    """The key-encryption keys of an installation, the one that locks first."""

    def __init__(self, path: Path, given: str = "") -> None:
        """Take them from the setting, or from a file that is made at the first start.

        Args:
            path: The file, used where nothing is given.
            given: `ASSIST_KEK`: one or more keys in base64, comma-separated.

        """
        self._path = path
        self._given = given
        self._keks: tuple[Kek, ...] = ()

    @property
    def is_given(self) -> bool:
        """Whether they stand in the environment, where nothing can be written."""
        return bool(self._given)

    @property
    def place(self) -> str:
        """Where they stand, for messages."""
        return SETTING if self._given else f"{self._path}"

    @property
    def current(self) -> Kek:
        """The one that locks."""
        return self.all()[0]

    def all(self, *, again: bool = False) -> Sequence[Kek]:
        """Return them, read once, or read again because another process may have added one.

        Raises:
            SettingsError: there is none, or one that cannot be used.
        """
        if again or not self._keks:
            self._keks = parse_keks(self._given) if self._given else self._read()
        return self._keks

    def find(self, kek_id: str) -> Kek | None:
        """Return the one of an id, also where another process has just added it."""
        for again in (False, True):
            for kek in self.all(again=again):
                if kek.kek_id == kek_id:
                    return kek
        return None

    def exists(self) -> bool:
        """Say whether there is one already."""
        return bool(self._given) or self._path.exists()

    def usable(self) -> Sequence[Kek]:
        """Return those that can be used, whoever may read the file; none where it is missing.

        Raises:
            SettingsError: what the environment holds cannot be used.
        """
        if self._given:
            return parse_keks(self._given)
        return [kek for line in self._lines() for kek in _parse_line(line)]

    def set_aside(self) -> Path | None:
        """Keep the file under another name where something in it is no key; return the name."""
        if self._given or not self._path.is_file() or not self._path.stat().st_size:
            return None
        lines = self._lines()
        if lines and all(map(_parse_line, lines)):
            return None
        for number in count(1):
            aside = self._path.with_name(f"{self._path.name}{_ASIDE}{f'-{number}' * (number > 1)}")
            try:
                aside.hardlink_to(self._path)
            except FileExistsError:
                continue
            aside.chmod(0o600)
            return aside
        raise AssertionError("there is a number that is not taken")

    def create(self) -> None:
        """Make the file with one key; of two processes at once, one makes it."""
        self._write([Kek.make()], replace=False)

    def add(self) -> Kek:
        """Make a new key that locks from now on; the others stay.

        Raises:
            SettingsError: the keys stand in the environment, where nothing can be added.
        """
        if self._given:
            raise SettingsError(
                f"The keys stand in {SETTING}. Put a new one before the old one there, separated "
                "by a comma, start again, and run: assist keys rotate"
            )
        self.put([Kek.make(), *self.all(again=True)])
        return self.all(again=True)[0]

    def keep(self, kek_ids: Sequence[str]) -> None:
        """Remove all other keys from the file."""
        if not self._given:
            kept = [kek for kek in self.all(again=True) if kek.kek_id in kek_ids]
            self.put(kept)

    def put(self, keks: Sequence[Kek]) -> None:
        """Write the file anew, the one that locks first."""
        self._write(keks, replace=True)
        self._keks = ()

    def remove_unfinished(self) -> None:
        """Remove what killed processes left; only where no other can be writing."""
        for left in self._path.parent.glob(f"{self._path.name}{_UNFINISHED}*"):
            left.unlink(missing_ok=True)

    def _lines(self) -> Sequence[str]:
        """Return the lines of the file that are not blank; none where it cannot be read."""
        try:
            text = self._path.read_bytes().decode("ascii", "replace")
        except OSError:
            return ()
        return [line for line in text.replace(",", "\n").splitlines() if line.strip()]

    def _read(self) -> tuple[Kek, ...]:
        try:
            with self._path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                text = file.read()
        except OSError as error:
            raise SettingsError(
                f"The key {self._path} cannot be read ({error.strerror}). Without it nothing "
                "that people wrote can be read. Restore it: assist keys restore BACKUP"
            ) from error
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SettingsError(
                f"The key {self._path} is open to others (mode {mode:04o}). "
                f"Run: chmod 600 '{self._path}'"
            )
        return _parse_file(self._path, text)

    def _write(self, keks: Sequence[Kek], *, replace: bool) -> None:
        """Write the file beside its place, and put it there whole and on the disk."""
        folder = self._path.parent
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, beside = tempfile.mkstemp(prefix=f"{self._path.name}{_UNFINISHED}", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write("".join(f"{encoded(kek)}\n" for kek in keks).encode())
                file.flush()
                os.fsync(file.fileno())
            if replace:
                Path(beside).replace(self._path)
            else:
                _link(Path(beside), self._path)
        finally:
            Path(beside).unlink(missing_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def encoded(kek: Kek) -> str:
    """Write a key as the setting and the file hold it."""
    return base64.b64encode(kek.key).decode()


def _parse_file(path: Path, content: bytes) -> tuple[Kek, ...]:
    return parse_keks(content.decode("ascii", "replace").replace("\n", ","), f"{path}")


def _parse_line(line: str) -> tuple[Kek, ...]:
    try:
        return parse_keks(line)
    except SettingsError:
        return ()


def _link(made: Path, path: Path) -> None:
    with suppress(FileExistsError):  # the key of the quicker process holds
        path.hardlink_to(made)


def parse_keks(text: str, place: str = SETTING) -> tuple[Kek, ...]:
    """Read keys, comma-separated; a wrong one is not repeated.

    Raises:
        SettingsError: there is none, or one is not 32 bytes in base64.
    """
    keks = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        try:
            key = base64.b64decode(part, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != LENGTH:
            raise SettingsError(
                f"{place} holds a key that is not {LENGTH} bytes in base64. {_WHERE_FROM}"
            )
        keks.append(Kek(key))
    if not keks:
        raise SettingsError(f"{place} holds no key. {_WHERE_FROM}")
    return tuple(keks)
