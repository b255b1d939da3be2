"""People, consent, runs and assignments."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "people",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("user_id", sa.String(), nullable=False, unique=True),
    )
    op.create_table(
        "consent_ledger",
        sa.Column("entry", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("user_id", sa.String(), nullable=False, index=True),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("text_version", sa.String(), nullable=False),
        sa.Column("text_digest", sa.String(), nullable=False),
        sa.Column("decided_at", sa.String(), nullable=False),
        sa.Column("door", sa.String(), nullable=False),
    )
    op.create_table(
        "assignments",
        sa.Column("assignment_id", sa.String(), primary_key=True),
        sa.Column("user_id", sa.String(), nullable=False, index=True),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("brief", sa.String(), nullable=False),
        sa.Column("plan", sa.JSON()),
        sa.Column("draft", sa.String()),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("updated_at", sa.String(), nullable=False),
    )
    op.create_table(
        "runs",
        sa.Column("run_id", sa.String(), primary_key=True),
        sa.Column("trace_id", sa.String(), nullable=False),
        sa.Column("parent_run_id", sa.String()),
        sa.Column("run_type", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("started_at", sa.String(), nullable=False),
        sa.Column("ended_at", sa.String()),
        sa.Column("latency_ms", sa.Double()),
        sa.Column("first_token_ms", sa.Double()),
        sa.Column("error", sa.String()),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("thread_id", sa.String()),
        sa.Column("assignment_id", sa.String()),
        sa.Column("course", sa.String()),
        sa.Column("prompt_type", sa.String()),
        sa.Column("task_type", sa.String()),
        sa.Column("prompt_version", sa.String()),
        sa.Column("prompt_digest", sa.String()),
        sa.Column("left_out", sa.JSON()),
        sa.Column("model_asked", sa.String()),
        sa.Column("model_served", sa.String()),
        sa.Column("model_version", sa.String()),
        sa.Column("parameters", sa.JSON()),
        sa.Column("finish_reason", sa.String()),
        sa.Column("input_tokens", sa.Integer()),
        sa.Column("output_tokens", sa.Integer()),
        sa.Column("usage_details", sa.JSON()),
        sa.Column("cost_nano_usd", sa.BigInteger()),
        sa.Column("price_reference", sa.String()),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column("prompt", sa.String()),
        sa.Column("response", sa.String()),
    )
    op.create_index("runs_by_trace", "runs", ["trace_id"])
    op.create_index("runs_by_start", "runs", ["run_type", "started_at"])


def downgrade() -> None:
    """Take them away again."""
    for table in ("runs", "assignments", "consent_ledger", "people"):
        op.drop_table(table)
