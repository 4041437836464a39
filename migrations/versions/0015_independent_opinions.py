"""Cases whose advisers are blind to each other, and the hospital a mark was drawn from."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.tables

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "blindings",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("since", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("lifted_at", core.tables.UtcDateTime(timezone=True), nullable=True),
        sa.Column("lifted_because", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_blindings_organisation_id")),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_blindings")),
    )
    with op.batch_alter_table("annotations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("author_organisation_id", sa.Uuid(), nullable=True))
    # where somebody works in several hospitals, nobody wrote down from which they drew: their home
    op.execute(
        "UPDATE annotations SET author_organisation_id = "
        "(SELECT people.organisation_id FROM people WHERE people.id = annotations.created_by)"
    )
    with op.batch_alter_table("annotations", schema=None) as batch_op:
        batch_op.alter_column("author_organisation_id", existing_type=sa.Uuid(), nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("annotations", schema=None) as batch_op:
        batch_op.drop_column("author_organisation_id")
    op.drop_table("blindings")
