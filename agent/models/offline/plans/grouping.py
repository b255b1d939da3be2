"""Requirements put together into a handful of tasks, in the brief's own order and sections."""

from collections.abc import Sequence

from agent.models.offline.reading.requirements import Requirement

MOST_GROUPS = 5
_SIZES = ((2, 1), (4, 2), (8, 3), (14, 4))
"""Up to so many requirements make so many groups."""


def group(requirements: Sequence[Requirement], most: int = MOST_GROUPS) -> list[list[Requirement]]:
    """Group the requirements that are not a bonus; sections stay together where they can."""
    core = [requirement for requirement in requirements if not requirement.is_bonus]
    if not core:
        return []
    wanted = min(most, next((count for size, count in _SIZES if len(core) <= size), MOST_GROUPS))
    groups = _by_section(core)
    while len(groups) > wanted:
        at = min(range(len(groups) - 1), key=lambda i: len(groups[i]) + len(groups[i + 1]))
        groups[at : at + 2] = [groups[at] + groups[at + 1]]
    while len(groups) < wanted:
        at = max(range(len(groups)), key=lambda i: len(groups[i]))
        half = (len(groups[at]) + 1) // 2
        groups[at : at + 1] = [groups[at][:half], groups[at][half:]]
    return groups


def bonus(requirements: Sequence[Requirement]) -> list[Requirement]:
    """Return what a brief offers as a bonus."""
    return [requirement for requirement in requirements if requirement.is_bonus]


def section_of(members: Sequence[Requirement]) -> str:
    """Return the section that all members share, or an empty string."""
    names = {requirement.section for requirement in members}
    return names.pop() if len(names) == 1 else ""


def _by_section(core: Sequence[Requirement]) -> list[list[Requirement]]:
    groups: list[list[Requirement]] = []
    for requirement in core:
        if groups and groups[-1][0].section == requirement.section:
            groups[-1].append(requirement)
        else:
            groups.append([requirement])
    return groups
