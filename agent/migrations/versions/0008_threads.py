"""Whose the threads are that the checkpoints know by their keys alone."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "threads",
        sa.Column("thread_key", sa.String(), primary_key=True),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("course", sa.String(), nullable=False),
        sa.Column("thread_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("used_at", sa.String(), nullable=False),
    )
    op.create_index("ix_threads_user_id", "threads", ["user_id"])


def downgrade() -> None:
    """Take it away again."""
    op.drop_table("threads")
