"""Duty rosters: what each says from when, covers, absences."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.tables

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "rosters",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("specialty", sa.String(length=64), nullable=False),
        sa.Column("created_at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("ended_at", core.tables.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_rosters_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rosters")),
    )
    with op.batch_alter_table("rosters", schema=None) as batch_op:
        batch_op.create_index(
            "uq_rosters_live",
            ["organisation_id", "role", "specialty"],
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )

    op.create_table(
        "roster_absences",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("since", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("until", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("recorded_at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_roster_absences_organisation_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_roster_absences_person_id")),
        sa.ForeignKeyConstraint(["recorded_by"], ["people.id"], name=op.f("fk_roster_absences_recorded_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roster_absences")),
    )
    with op.batch_alter_table("roster_absences", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_roster_absences_organisation_id"), ["organisation_id"], unique=False)

    op.create_table(
        "roster_covers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("roster_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("since", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("until", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_roster_covers_organisation_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_roster_covers_person_id")),
        sa.ForeignKeyConstraint(["recorded_by"], ["people.id"], name=op.f("fk_roster_covers_recorded_by")),
        sa.ForeignKeyConstraint(["roster_id"], ["rosters.id"], name=op.f("fk_roster_covers_roster_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roster_covers")),
    )
    with op.batch_alter_table("roster_covers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_roster_covers_roster_id"), ["roster_id"], unique=False)

    op.create_table(
        "roster_versions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("roster_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("since", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("until", core.tables.UtcDateTime(timezone=True), nullable=True),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("handovers", sa.JSON(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("begins_on", sa.Date(), nullable=False),
        sa.Column("people", sa.JSON(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("recorded_at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_roster_versions_organisation_id")),
        sa.ForeignKeyConstraint(["recorded_by"], ["people.id"], name=op.f("fk_roster_versions_recorded_by")),
        sa.ForeignKeyConstraint(["roster_id"], ["rosters.id"], name=op.f("fk_roster_versions_roster_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roster_versions")),
    )
    with op.batch_alter_table("roster_versions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_roster_versions_roster_id"), ["roster_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("roster_versions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_roster_versions_roster_id"))

    op.drop_table("roster_versions")
    with op.batch_alter_table("roster_covers", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_roster_covers_roster_id"))

    op.drop_table("roster_covers")
    with op.batch_alter_table("roster_absences", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_roster_absences_organisation_id"))

    op.drop_table("roster_absences")
    with op.batch_alter_table("rosters", schema=None) as batch_op:
        batch_op.drop_index("uq_rosters_live", sqlite_where=sa.text("ended_at IS NULL"), postgresql_where=sa.text("ended_at IS NULL"))

    op.drop_table("rosters")
