"""The course of an assignment, and whether its text may be kept."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; of assignments that were there before, nobody noted a consent."""
    op.add_column(
        "assignments",
        sa.Column("course", sa.String(), nullable=False, server_default=""),
    )
    op.add_column(
        "assignments",
        sa.Column("consented", sa.Boolean(), nullable=False, server_default=sa.false()),
    )


def downgrade() -> None:
    """Take them away again."""
    op.drop_column("assignments", "consented")
    op.drop_column("assignments", "course")
