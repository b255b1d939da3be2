"""Who is in which course."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "enrolments",
        sa.Column("course", sa.String(), primary_key=True),
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("first", sa.String(), nullable=False),
        sa.Column("last", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("student_id", sa.String(), nullable=False),
        sa.Column("username", sa.String(), nullable=False),
    )
    op.create_index("ix_enrolments_name", "enrolments", ["name"])


def downgrade() -> None:
    """Take it away again."""
    op.drop_table("enrolments")
