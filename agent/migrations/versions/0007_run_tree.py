"""Every run of a request, its place in the tree, what is still to be sent, and who is alive."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ADDED: dict[str, type[sa.types.TypeEngine[Any]]] = {
    **dict.fromkeys(("trace_id", "dotted_order", "project", "process_id"), sa.String),
    **dict.fromkeys(("announced_at", "origin", "provider", "cache"), sa.String),
    "paused": sa.Boolean,
    **dict.fromkeys(("tags", "attributes", "price", "repriced", "message_roles"), sa.JSON),
    **dict.fromkeys(("inputs", "outputs"), sa.Text),
}
_OF_FEW = {
    "runs_that_are_open": ("status", "status = 'started'"),
    "requests_by_thread": ("thread_id", "run_id = root_run_id"),
}
"""Indexes of the few rows that are looked for in this way."""


def upgrade() -> None:
    """Add the columns, and the tables beside them."""
    op.drop_index("runs_by_trace", "runs")
    op.execute("ALTER TABLE runs RENAME COLUMN trace_id TO root_run_id")
    for name, kind in _ADDED.items():
        op.add_column("runs", sa.Column(name, kind()))
    op.execute("UPDATE runs SET trace_id = root_run_id")
    op.create_index("runs_by_root", "runs", ["root_run_id"])
    for name, (column, condition) in _OF_FEW.items():
        where = sa.text(condition)
        op.create_index(name, "runs", [column], sqlite_where=where, postgresql_where=where)
    op.create_table(
        "outbox",
        sa.Column("entry", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("queued_at", sa.String(), nullable=False),
        sa.Column("parked_at", sa.String()),
        sa.Column("reason", sa.String()),
        sa.UniqueConstraint("kind", "subject_id"),
    )
    op.create_table(
        "processes",
        sa.Column("process_id", sa.String(), primary_key=True),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.String(), nullable=False),
        sa.Column("beat_at", sa.String(), nullable=False),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("process_id", sa.String(), nullable=False),
        sa.Column("until", sa.String(), nullable=False),
    )


def downgrade() -> None:
    """Take them away again; the runs that are no model calls and no roots go with them."""
    for table in ("leases", "processes", "outbox"):
        op.drop_table(table)
    op.execute("DELETE FROM runs WHERE run_type <> 'llm' AND run_id <> root_run_id")
    for index in ("runs_by_root", *_OF_FEW):
        op.drop_index(index, "runs")
    for name in _ADDED:
        op.drop_column("runs", name)
    op.execute("ALTER TABLE runs RENAME COLUMN root_run_id TO trace_id")
    op.create_index("runs_by_trace", "runs", ["trace_id"])
