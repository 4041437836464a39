"""Telling people outside the pages: what each wants, the hooks of hospitals, and what was delivered."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.tables

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "hooks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("form", sa.String(length=64), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("urgency", sa.String(length=64), nullable=False),
        sa.Column("language", sa.String(length=64), nullable=False),
        sa.Column("made_at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        sa.Column("failing_since", core.tables.UtcDateTime(timezone=True), nullable=True),
        sa.Column("ended_at", core.tables.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_hooks_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hooks")),
    )
    with op.batch_alter_table("hooks", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hooks_organisation_id"), ["organisation_id"], unique=False)

    op.create_table(
        "notice_preferences",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("emergency", sa.String(length=64), nullable=False),
        sa.Column("urgent", sa.String(length=64), nullable=False),
        sa.Column("routine", sa.String(length=64), nullable=False),
        sa.Column("quiet", sa.Boolean(), nullable=False),
        sa.Column("quiet_from", sa.String(length=64), nullable=False),
        sa.Column("quiet_until", sa.String(length=64), nullable=False),
        sa.Column("digest_at", sa.String(length=64), nullable=False),
        sa.Column("changed_at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_notice_preferences_person_id")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_notice_preferences")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("notice_id", sa.Uuid(), nullable=True),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("hook_id", sa.Uuid(), nullable=True),
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("urgency", sa.String(length=64), nullable=False),
        sa.Column("gathered", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("made_at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("due_at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("tried_at", core.tables.UtcDateTime(timezone=True), nullable=True),
        sa.Column("sent_at", core.tables.UtcDateTime(timezone=True), nullable=True),
        sa.Column("failed_with", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["hook_id"], ["hooks.id"], name=op.f("fk_deliveries_hook_id")),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name=op.f("fk_deliveries_notice_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_deliveries_organisation_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_deliveries_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deliveries_hook_id_made_at"), ["hook_id", "made_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_deliveries_person_id_state"), ["person_id", "state"], unique=False)
        batch_op.create_index("uq_deliveries_hook", ["notice_id", "hook_id"], unique=True)
        batch_op.create_index(
            "uq_deliveries_mail",
            ["notice_id"],
            unique=True,
            sqlite_where=sa.text("hook_id IS NULL"),
            postgresql_where=sa.text("hook_id IS NULL"),
        )


def downgrade() -> None:
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.drop_index("uq_deliveries_mail", sqlite_where=sa.text("hook_id IS NULL"), postgresql_where=sa.text("hook_id IS NULL"))
        batch_op.drop_index("uq_deliveries_hook")
        batch_op.drop_index(batch_op.f("ix_deliveries_person_id_state"))
        batch_op.drop_index(batch_op.f("ix_deliveries_hook_id_made_at"))

    op.drop_table("deliveries")
    op.drop_table("notice_preferences")
    with op.batch_alter_table("hooks", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_hooks_organisation_id"))

    op.drop_table("hooks")
