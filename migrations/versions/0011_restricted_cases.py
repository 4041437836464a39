"""Restricted cases, their teams, and the glass that is broken on them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.tables

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "broken_glass",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=False),
        sa.Column("broken_at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("until", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("verdict", sa.String(length=64), nullable=True),
        sa.Column("review_words", sa.LargeBinary(), nullable=True),
        sa.Column("reviewed_by", sa.Uuid(), nullable=True),
        sa.Column("reviewed_at", core.tables.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_broken_glass_organisation_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_broken_glass_person_id")),
        sa.ForeignKeyConstraint(["reviewed_by"], ["people.id"], name=op.f("fk_broken_glass_reviewed_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_broken_glass")),
    )
    with op.batch_alter_table("broken_glass", schema=None) as batch_op:
        batch_op.create_index(
            "ix_broken_glass_open",
            ["organisation_id"],
            unique=False,
            sqlite_where=sa.text("reviewed_at IS NULL"),
            postgresql_where=sa.text("reviewed_at IS NULL"),
        )
        batch_op.create_index("ix_broken_glass_person_id", ["person_id", "until"], unique=False)

    op.create_table(
        "restrictions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("since", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("restricted_by", sa.Uuid(), nullable=False),
        sa.Column("lifted_at", core.tables.UtcDateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["lifted_by"], ["people.id"], name=op.f("fk_restrictions_lifted_by")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_restrictions_organisation_id")),
        sa.ForeignKeyConstraint(["restricted_by"], ["people.id"], name=op.f("fk_restrictions_restricted_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restrictions")),
    )
    with op.batch_alter_table("restrictions", schema=None) as batch_op:
        batch_op.create_index("ix_restrictions_organisation_id", ["organisation_id"], unique=False)
        batch_op.create_index(
            "uq_restrictions_live",
            ["case_id"],
            unique=True,
            sqlite_where=sa.text("lifted_at IS NULL"),
            postgresql_where=sa.text("lifted_at IS NULL"),
        )

    op.create_table(
        "restriction_team",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("restriction_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("since", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("admitted_by", sa.Uuid(), nullable=False),
        sa.Column("left_at", core.tables.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["admitted_by"], ["people.id"], name=op.f("fk_restriction_team_admitted_by")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_restriction_team_organisation_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_restriction_team_person_id")),
        sa.ForeignKeyConstraint(["restriction_id"], ["restrictions.id"], name=op.f("fk_restriction_team_restriction_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restriction_team")),
    )
    with op.batch_alter_table("restriction_team", schema=None) as batch_op:
        batch_op.create_index("ix_restriction_team_person_id", ["person_id"], unique=False)
        batch_op.create_index(
            "uq_restriction_team_live",
            ["restriction_id", "person_id"],
            unique=True,
            sqlite_where=sa.text("left_at IS NULL"),
            postgresql_where=sa.text("left_at IS NULL"),
        )


def downgrade() -> None:
    with op.batch_alter_table("restriction_team", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_restriction_team_live", sqlite_where=sa.text("left_at IS NULL"), postgresql_where=sa.text("left_at IS NULL")
        )
        batch_op.drop_index("ix_restriction_team_person_id")

    op.drop_table("restriction_team")
    with op.batch_alter_table("restrictions", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_restrictions_live", sqlite_where=sa.text("lifted_at IS NULL"), postgresql_where=sa.text("lifted_at IS NULL")
        )
        batch_op.drop_index("ix_restrictions_organisation_id")

    op.drop_table("restrictions")
    with op.batch_alter_table("broken_glass", schema=None) as batch_op:
        batch_op.drop_index("ix_broken_glass_person_id")
        batch_op.drop_index(
            "ix_broken_glass_open", sqlite_where=sa.text("reviewed_at IS NULL"), postgresql_where=sa.text("reviewed_at IS NULL")
        )

    op.drop_table("broken_glass")
