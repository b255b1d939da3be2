"""Read prompt files, check them, and fill their slots once.

A prompt file is Markdown with a YAML header. `# Instructions` is fixed text for the model;
slots stand only under `# Message`, so nothing a student or a document says can become
an instruction by its place. Values are never scanned for slots, and lose what no reader sees.
"""

import hashlib
import hmac
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.resources import files
from importlib.resources.abc import Traversable

import frontmatter
from pydantic import BaseModel, ConfigDict, ValidationError

from prompts.visible import visible

_SLOT = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_PARTS = re.compile(
    r"\A\s*# Instructions\n(?P<instructions>.*?)\n# Message\n(?P<message>.*)\Z", re.S
)
_BOUNDARY = "boundary"
_BOUNDARY_LENGTH = 12


class PromptError(Exception):
    """A prompt file or a call of one is wrong; names the file, the slot, and the remedy."""


class _Header(BaseModel):
    model_config = ConfigDict(extra="forbid")

    purpose: str
    inputs: dict[str, str]
    examples: list[dict[str, str]]
    changed: str


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """A prompt with its slots filled: what goes out as system and as user message."""

    instructions: str
    message: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One version of one prompt file."""

    name: str
    version: str
    purpose: str
    inputs: Mapping[str, str]
    """Each slot's name and what stands in it."""
    examples: tuple[Mapping[str, str], ...]
    instructions: str
    template: str
    digest: str
    """The first 12 hex digits of the file's SHA-256; recorded with each run."""

    def render(self, nonce: str = "", /, **values: str) -> RenderedPrompt:
        """Fill every slot once.

        Blocks are delimited by a mark that stands in none of the values, so text from a
        student or a document can never close its block.

        Args:
            nonce: Makes the mark one that nobody can know before; without it, equal values
                give an equal prompt.
            values: What stands in the slots.

        Raises:
            PromptError: a value is missing, or is not one of the prompt's inputs.
        """
        for name in self.inputs.keys() - values.keys():
            raise PromptError(f"{self.label}: the input {name!r} is missing.")
        for name in values.keys() - self.inputs.keys():
            raise PromptError(
                f"{self.label}: {name!r} is not an input. Declared: {_listed(self.inputs)}."
            )
        seen = {name: visible(value) for name, value in values.items()}
        filled = {**seen, _BOUNDARY: _boundary(nonce, seen)}
        message = _SLOT.sub(lambda slot: filled[slot[1]], self.template)
        return RenderedPrompt(self.instructions, message)

    @property
    def label(self) -> str:
        """`name/version`, as it is recorded."""
        return f"{self.name}/{self.version}"

    def trace_metadata(self) -> dict[str, str]:
        """Return what a recorder needs to trace an answer back to this file."""
        return {"prompt": self.label, "prompt_digest": self.digest}


@dataclass(frozen=True, slots=True)
class PromptBook:
    """The live version of every prompt."""

    live: Mapping[str, Prompt] = field(repr=False)

    @classmethod
    def open(cls, folder: Traversable | None = None) -> "PromptBook":
        """Read the prompts that `active.toml` names.

        Raises:
            PromptError: a file is missing or faulty.
        """
        root = folder if folder is not None else files("prompts")
        active = tomllib.loads((root / "active.toml").read_text("utf-8"))
        return cls({name: read_prompt(root, name, version) for name, version in active.items()})

    def get(self, name: str) -> Prompt:
        """Return the live version of a prompt."""
        try:
            return self.live[name]
        except KeyError:
            raise PromptError(
                f"There is no prompt {name!r}. Known: {_listed(self.live)}."
            ) from None


def read_prompt(root: Traversable, name: str, version: str) -> Prompt:
    """Read and check one prompt file.

    Raises:
        PromptError: the file is missing, or header and body do not agree.
    """
    place = f"prompts/{name}/{version}.md"
    try:
        text = (root / name / f"{version}.md").read_text("utf-8")
    except FileNotFoundError:
        raise PromptError(f"{place} does not exist, but active.toml names it.") from None
    post = frontmatter.loads(text)
    try:
        header = _Header.model_validate(post.metadata)
    except ValidationError as error:
        first = error.errors()[0]
        raise PromptError(
            f"{place}: header field {'.'.join(map(str, first['loc']))!r}: {first['msg']}."
        ) from error
    parts = _PARTS.match(post.content)
    if parts is None:
        raise PromptError(f"{place}: needs a heading '# Instructions' and then '# Message'.")
    _check_slots(place, header.inputs, parts["instructions"], parts["message"])
    return Prompt(
        name=name,
        version=version,
        purpose=header.purpose,
        inputs=header.inputs,
        examples=tuple(header.examples),
        instructions=parts["instructions"].strip(),
        template=parts["message"].strip(),
        digest=hashlib.sha256(text.encode()).hexdigest()[:12],
    )


def _check_slots(place: str, inputs: Mapping[str, str], instructions: str, message: str) -> None:
    if stray := _SLOT.search(instructions):
        raise PromptError(
            f"{place}: {stray[0]} stands in the instructions; slots belong under '# Message'."
        )
    used = set(_SLOT.findall(message)) - {_BOUNDARY}
    for name in sorted(used - inputs.keys()):
        nearest = get_close_matches(name, inputs, n=1)
        hint = f" Did you mean {{{{{nearest[0]}}}}}?" if nearest else ""
        raise PromptError(
            f"{place}: uses {{{{{name}}}}}, which the header does not declare."
            f"{hint} Declared: {_listed(inputs)}."
        )
    for name in sorted(inputs.keys() - used):
        raise PromptError(f"{place}: declares the input {name!r}, but {{{{{name}}}}} is not used.")


def _boundary(nonce: str, values: Mapping[str, str]) -> str:
    joined = "\0".join(f"{name}\0{value}" for name, value in sorted(values.items()))
    key, data = (text.encode("utf-8", "surrogatepass") for text in (nonce, joined))
    made = hmac.digest(key, data, "sha256").hex()
    while any(made[:_BOUNDARY_LENGTH] in value for value in values.values()):
        made = hashlib.sha256(made.encode()).hexdigest()
    return made[:_BOUNDARY_LENGTH]


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(sorted(names))
