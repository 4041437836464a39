"""For which standing of a visit a progress report was asked last."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    with op.batch_alter_table("visits", schema=None) as batch_op:
        batch_op.add_column(sa.Column("reminded", sa.String(length=64), nullable=True))
    # who has not been asked so far is not asked for everything at once
    op.execute(
        "UPDATE visits SET reminded = CASE WHEN late_after < CURRENT_DATE THEN 'overdue' ELSE 'due' END "
        "WHERE entry_chain_id IS NULL AND opens_on <= CURRENT_DATE"
    )


def downgrade() -> None:
    with op.batch_alter_table("visits", schema=None) as batch_op:
        batch_op.drop_column("reminded")
