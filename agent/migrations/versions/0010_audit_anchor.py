"""Up to where the audit log was pruned; nothing but what stands before that can be deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_SQLITE = (
    "DROP TRIGGER audit_no_delete",
    """CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
    WHEN OLD.entry > (SELECT entry FROM audit_anchor)
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END""",
    """CREATE TRIGGER audit_anchor_forward BEFORE UPDATE ON audit_anchor
    WHEN NEW.place != OLD.place OR NEW.entry <= OLD.entry
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END""",
    """CREATE TRIGGER audit_anchor_no_delete BEFORE DELETE ON audit_anchor
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END""",
    """CREATE TRIGGER audit_anchor_no_insert BEFORE INSERT ON audit_anchor
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END""",
)

_POSTGRES = (
    "DROP TRIGGER audit_no_change ON audit",
    """CREATE TRIGGER audit_no_change BEFORE UPDATE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()""",
    """CREATE FUNCTION refuse_audit_delete() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.entry > (SELECT entry FROM audit_anchor) THEN
            RAISE EXCEPTION 'audit is append-only';
        END IF;
        RETURN OLD;
    END $$""",
    """CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION refuse_audit_delete()""",
    """CREATE TRIGGER audit_anchor_no_change BEFORE INSERT OR DELETE OR TRUNCATE ON audit_anchor
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()""",
    """CREATE TRIGGER audit_anchor_forward BEFORE UPDATE ON audit_anchor FOR EACH ROW
    WHEN (NEW.place != OLD.place OR NEW.entry <= OLD.entry)
    EXECUTE FUNCTION refuse_audit_change()""",
    "GRANT DELETE ON audit TO CURRENT_USER",
    "REVOKE INSERT, DELETE, TRUNCATE ON audit_anchor FROM PUBLIC, CURRENT_USER",
)

_SQLITE_BEFORE = (
    "DROP TRIGGER audit_no_delete",
    """CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END""",
)
_POSTGRES_BEFORE = (
    "DROP TRIGGER audit_no_delete ON audit",
    "DROP FUNCTION refuse_audit_delete()",
    "DROP TRIGGER audit_no_change ON audit",
    """CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()""",
    "REVOKE DELETE ON audit FROM PUBLIC, CURRENT_USER",
)


def upgrade() -> None:
    """Make the anchor, and let go what stands before it."""
    anchor = op.create_table(
        "audit_anchor",
        sa.Column("place", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("entry", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("pruned_at", sa.String()),
        sa.Column("pruned_by", sa.String()),
        sa.Column("seal", sa.String(), nullable=False),
    )
    op.bulk_insert(anchor, [{"place": 1, "entry": 0, "hash": "0" * 64, "seal": ""}])
    for statement in _POSTGRES if _is_on_postgres() else _SQLITE:
        op.execute(statement)


def downgrade() -> None:
    """Let nothing go any more; what was pruned is missing then."""
    for statement in _POSTGRES_BEFORE if _is_on_postgres() else _SQLITE_BEFORE:
        op.execute(statement)
    op.drop_table("audit_anchor")


def _is_on_postgres() -> bool:
    return op.get_bind().dialect.name == "postgresql"
