"""Erasures, what they removed, and which are under way."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; one erasure of a person is under way at a time."""
    op.create_table(
        "erasures",
        sa.Column("erasure_id", sa.String(), primary_key=True),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("asked_at", sa.String(), nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("finished_at", sa.String()),
    )
    where = sa.text("finished_at IS NULL")
    op.create_index(
        "erasures_under_way",
        "erasures",
        ["user_id"],
        unique=True,
        sqlite_where=where,
        postgresql_where=where,
    )


def downgrade() -> None:
    """Take it away again, with the proofs that it holds."""
    op.drop_table("erasures")
