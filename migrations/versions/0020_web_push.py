"""The browsers in which people are told, and what was sent there."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.tables

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

BEFORE = sa.text("hook_id IS NULL")
MAIL = sa.text("hook_id IS NULL AND subscription_id IS NULL")


def upgrade() -> None:
    op.create_table(
        "push_subscriptions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("ended_at", core.tables.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_push_subscriptions_organisation_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_push_subscriptions_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push_subscriptions")),
        sa.UniqueConstraint("digest", name=op.f("uq_push_subscriptions_digest")),
    )
    op.create_index(op.f("ix_push_subscriptions_person_id"), "push_subscriptions", ["person_id"])
    op.drop_index("uq_deliveries_mail", table_name="deliveries")
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.add_column(sa.Column("subscription_id", sa.Uuid(), nullable=True))
        batch_op.create_foreign_key(op.f("fk_deliveries_subscription_id"), "push_subscriptions", ["subscription_id"], ["id"])
        batch_op.create_index(op.f("ix_deliveries_subscription_id_made_at"), ["subscription_id", "made_at"])
    op.create_index("uq_deliveries_mail", "deliveries", ["notice_id"], unique=True, sqlite_where=MAIL, postgresql_where=MAIL)
    op.create_index("uq_deliveries_push", "deliveries", ["notice_id", "subscription_id"], unique=True)


def downgrade() -> None:
    op.execute("DELETE FROM deliveries WHERE subscription_id IS NOT NULL")
    op.drop_index("uq_deliveries_push", table_name="deliveries")
    op.drop_index("uq_deliveries_mail", table_name="deliveries")
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.drop_index(op.f("ix_deliveries_subscription_id_made_at"))
        batch_op.drop_constraint(op.f("fk_deliveries_subscription_id"), type_="foreignkey")
        batch_op.drop_column("subscription_id")
    op.create_index("uq_deliveries_mail", "deliveries", ["notice_id"], unique=True, sqlite_where=BEFORE, postgresql_where=BEFORE)
    op.drop_table("push_subscriptions")
