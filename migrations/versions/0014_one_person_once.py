"""Patients who were merged into another, signed consent sheets, and the archive."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.tables

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "patient_merges",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("kept_id", sa.Uuid(), nullable=False),
        sa.Column("merged_id", sa.Uuid(), nullable=False),
        sa.Column("kept_version", sa.Integer(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("merged_at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("merged_by", sa.Uuid(), nullable=True),
        sa.Column("undone_reason", sa.LargeBinary(), nullable=True),
        sa.Column("undone_at", core.tables.UtcDateTime(timezone=True), nullable=True),
        sa.Column("undone_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["kept_id"], ["patients.id"], name=op.f("fk_patient_merges_kept_id")),
        sa.ForeignKeyConstraint(["merged_by"], ["people.id"], name=op.f("fk_patient_merges_merged_by")),
        sa.ForeignKeyConstraint(["merged_id"], ["patients.id"], name=op.f("fk_patient_merges_merged_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_patient_merges_organisation_id")),
        sa.ForeignKeyConstraint(["undone_by"], ["people.id"], name=op.f("fk_patient_merges_undone_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patient_merges")),
    )
    with op.batch_alter_table("patient_merges", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_patient_merges_kept_id"), ["kept_id"], unique=False)
        batch_op.create_index(
            "uq_patient_merges_open",
            ["merged_id"],
            unique=True,
            sqlite_where=sa.text("undone_at IS NULL"),
            postgresql_where=sa.text("undone_at IS NULL"),
        )

    op.create_table(
        "consent_scans",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("purposes", sa.JSON(), nullable=False),
        sa.Column("media_type", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sealed_size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("attached_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["attached_by"], ["people.id"], name=op.f("fk_consent_scans_attached_by")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_consent_scans_case_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_consent_scans_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_scans")),
    )
    with op.batch_alter_table("consent_scans", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_consent_scans_case_id"), ["case_id"], unique=False)

    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.add_column(sa.Column("came_from_id", sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column("archived_at", core.tables.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("taken_out_at", core.tables.UtcDateTime(timezone=True), nullable=True))
        batch_op.create_index(batch_op.f("ix_cases_came_from_id"), ["came_from_id"], unique=False)
        batch_op.create_foreign_key(batch_op.f("fk_cases_came_from_id"), "patients", ["came_from_id"], ["id"])

    with op.batch_alter_table("patients", schema=None) as batch_op:
        batch_op.add_column(sa.Column("merged_into_id", sa.Uuid(), nullable=True))
        batch_op.create_index(batch_op.f("ix_patients_merged_into_id"), ["merged_into_id"], unique=False)
        batch_op.create_foreign_key(batch_op.f("fk_patients_merged_into_id"), "patients", ["merged_into_id"], ["id"])


def downgrade() -> None:
    with op.batch_alter_table("patients", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_patients_merged_into_id"), type_="foreignkey")
        batch_op.drop_index(batch_op.f("ix_patients_merged_into_id"))
        batch_op.drop_column("merged_into_id")

    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_cases_came_from_id"), type_="foreignkey")
        batch_op.drop_index(batch_op.f("ix_cases_came_from_id"))
        batch_op.drop_column("taken_out_at")
        batch_op.drop_column("archived_at")
        batch_op.drop_column("came_from_id")

    with op.batch_alter_table("consent_scans", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_consent_scans_case_id"))

    op.drop_table("consent_scans")
    with op.batch_alter_table("patient_merges", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_patient_merges_open", sqlite_where=sa.text("undone_at IS NULL"), postgresql_where=sa.text("undone_at IS NULL")
        )
        batch_op.drop_index(batch_op.f("ix_patient_merges_kept_id"))

    op.drop_table("patient_merges")
