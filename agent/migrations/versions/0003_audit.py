"""Who read what: a log that is only ever added to."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_SQLITE = (
    """CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END""",
    """CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END""",
    # INSERT OR REPLACE takes a row away without calling the triggers of DELETE.
    """CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit
    WHEN EXISTS (SELECT 1 FROM audit WHERE entry = NEW.entry)
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END""",
    """CREATE TRIGGER audit_head_forward BEFORE UPDATE ON audit_head
    WHEN NEW.place != OLD.place OR NEW.entry != OLD.entry + 1
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END""",
    """CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON audit_head
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END""",
    """CREATE TRIGGER audit_head_no_insert BEFORE INSERT ON audit_head
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END""",
)

_POSTGRES = (
    """CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'audit is append-only'; END $$""",
    """CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()""",
    """CREATE TRIGGER audit_head_no_change BEFORE INSERT OR DELETE OR TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()""",
    """CREATE TRIGGER audit_head_forward BEFORE UPDATE ON audit_head FOR EACH ROW
    WHEN (NEW.place != OLD.place OR NEW.entry != OLD.entry + 1)
    EXECUTE FUNCTION refuse_audit_change()""",
    "REVOKE UPDATE, DELETE, TRUNCATE ON audit FROM PUBLIC, CURRENT_USER",
    "REVOKE INSERT, DELETE, TRUNCATE ON audit_head FROM PUBLIC, CURRENT_USER",
)


def upgrade() -> None:
    """Make the log, its head, and what refuses to change them."""
    op.create_table(
        "audit",
        sa.Column("entry", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("reader", sa.String(), nullable=False, index=True),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), index=True),
        sa.Column("object_kind", sa.String(), nullable=False),
        sa.Column("object_ids", sa.String(), nullable=False),
        sa.Column("course", sa.String()),
        sa.Column("reason", sa.String()),
        sa.Column("door", sa.String(), nullable=False),
        sa.Column("previous_hash", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False, unique=True),
    )
    head = op.create_table(
        "audit_head",
        sa.Column("place", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("entry", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("seal", sa.String(), nullable=False),
    )
    op.bulk_insert(head, [{"place": 1, "entry": 0, "hash": "0" * 64, "seal": ""}])
    on_postgres = op.get_bind().dialect.name == "postgresql"
    for statement in _POSTGRES if on_postgres else _SQLITE:
        op.execute(statement)


def downgrade() -> None:
    """Take them away again, with their triggers."""
    op.drop_table("audit_head")
    op.drop_table("audit")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_audit_change()")
