"""What people say of the answers they got."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "feedback",
        sa.Column("run_id", sa.String(), primary_key=True),
        sa.Column("user_id", sa.String(), primary_key=True),
        sa.Column("rating", sa.String(), nullable=False),
        sa.Column("score", sa.Integer()),
        sa.Column("comment", sa.String()),
        sa.Column("given_at", sa.String(), nullable=False),
        sa.Column("changed_at", sa.String(), nullable=False),
    )


def downgrade() -> None:
    """Take it away again."""
    op.drop_table("feedback")
