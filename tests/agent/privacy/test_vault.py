"""The vault: what is sealed opens in its place alone, and as it was."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import DamagedError, ErasedError
from agent.privacy.kek import KEK_FILE, Keks
from agent.privacy.keyring import KeyRing
from agent.privacy.vault import FORM, Cell, Vault

CELL = Cell("runs", "prompt", "run-1", "ann")


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    """A vault in which Ann and Bob were let in."""
    ring = KeyRing.open(f"sqlite:///{tmp_path / 'keys.db'}", Keks(tmp_path / KEK_FILE))
    for person in ("ann", "bob"):
        ring.admit(person)
    yield Vault(ring)
    ring.close()


@pytest.mark.parametrize("text", ["", "a", "K\u00fcrbis \U0001f383\x00\n", "x" * 100_000])
def test_text_comes_back_when_opened(vault: Vault, text: str) -> None:
    """Every text, also an empty one; sealed twice it is two texts."""
    sealed = vault.seal(CELL, text)
    assert vault.open(CELL, sealed) == text
    assert sealed.startswith(FORM)
    assert vault.seal(CELL, text) != sealed
    assert "rbis" not in sealed


@pytest.mark.parametrize(
    "elsewhere",
    [
        CELL._replace(row="run-2"),
        CELL._replace(column="response"),
        CELL._replace(table="assignments"),
        CELL._replace(user_id="bob"),
        CELL._replace(user_id="nobody"),
        CELL._replace(table="runs\x1fprompt", column="run-1"),
    ],
)
def test_text_is_refused_when_it_was_moved(vault: Vault, elsewhere: Cell) -> None:
    """To another row, column, table or person."""
    with pytest.raises(DamagedError, match="not as it was written"):
        vault.open(elsewhere, vault.seal(CELL, "mine"))


def test_text_is_refused_when_a_byte_was_changed(vault: Vault) -> None:
    """Each byte of it: the key's name, the nonce, the text, the tag."""
    sealed = vault.seal_bytes(CELL, b"mine and nobody else's")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 0x81
        with pytest.raises(DamagedError):
            vault.open_bytes(CELL, bytes(changed))


def test_text_is_refused_when_it_was_cut(vault: Vault) -> None:
    """At each place, and grown at the end."""
    sealed = vault.seal_bytes(CELL, b"mine")
    for cut in [sealed[:end] for end in range(len(sealed))] + [sealed + b"\x00", sealed[1:]]:
        with pytest.raises(DamagedError):
            vault.open_bytes(CELL, cut)


@pytest.mark.parametrize(
    "planted",
    [
        "in clear",
        "",
        FORM,
        f"{FORM}\u00e9",
        f"{FORM}====",
        "gcm0.AAAA",
        7,
        b"bytes",
        ["list"],
        None,
    ],
)
def test_text_is_refused_when_it_never_was_sealed(vault: Vault, planted: object) -> None:
    """A text in clear is not taken for the person's own."""
    with pytest.raises(DamagedError):
        vault.open(CELL, planted)


def test_older_text_opens_when_it_is_put_back(vault: Vault) -> None:
    """What stood in this very cell before is not told from what stands there now."""
    older = vault.seal(CELL, "before")
    vault.seal(CELL, "after")
    assert vault.open(CELL, older) == "before"


def test_text_is_gone_when_its_person_was_erased(vault: Vault) -> None:
    """It says so, others' texts open, and nothing more is sealed for the person."""
    sealed, other = vault.seal(CELL, "mine"), CELL._replace(user_id="bob")
    vault.keys.destroy("ann")
    assert not vault.knows("ann")
    with pytest.raises(ErasedError, match="erased with its person"):
        vault.open(CELL, sealed)
    with pytest.raises(ErasedError):
        vault.seal(CELL, "more")
    assert vault.open(other, vault.seal(other, "his")) == "his"
    vault.keys.admit("ann")
    with pytest.raises(ErasedError):
        vault.open(CELL, sealed)


def test_error_says_nothing_of_a_text_when_it_is_refused(vault: Vault) -> None:
    """The chain of causes holds neither text nor key."""
    sealed = vault.seal(CELL, "swordfish")
    with pytest.raises(DamagedError) as refusal:
        vault.open(CELL, sealed[:-4] + "AAAA")
    error: BaseException | None = refusal.value
    while error is not None:
        assert "swordfish" not in repr(error)
        assert sealed[20:40] not in repr(error)
        error = error.__cause__
    assert base64.b64decode(sealed[len(FORM) :])[:8].isalnum()
