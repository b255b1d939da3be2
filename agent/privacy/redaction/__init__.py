"""Redaction: personal data becomes placeholders, once per distinct text, before anything is kept.

It knows the sender's record and the course's roster; it stores nothing and asks no network.
"""

from agent.privacy.redaction.people import Enrolment, Roster
from agent.privacy.redaction.placeholders import Placeholders, StreamRestorer, restore
from agent.privacy.redaction.redactor import Redacted, Redactor
from agent.privacy.redaction.spans import PiiType, Span

__all__ = [
    "Enrolment",
    "PiiType",
    "Placeholders",
    "Redacted",
    "Redactor",
    "Roster",
    "Span",
    "StreamRestorer",
    "restore",
]
