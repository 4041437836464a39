"""How long a hospital keeps its records, and which cases it keeps whatever that says."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.tables

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "retention_rules",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("outpatient_years", sa.Integer(), nullable=False),
        sa.Column("inpatient_years", sa.Integer(), nullable=False),
        sa.Column("archive_after_days", sa.Integer(), nullable=False),
        sa.Column("changed_at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["changed_by"], ["people.id"], name=op.f("fk_retention_rules_changed_by")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_retention_rules_organisation_id")),
        sa.PrimaryKeyConstraint("organisation_id", name=op.f("pk_retention_rules")),
    )
    op.create_table(
        "legal_holds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("placed_at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("placed_by", sa.Uuid(), nullable=True),
        sa.Column("lifted_at", core.tables.UtcDateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.Uuid(), nullable=True),
        sa.Column("lift_reason", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_legal_holds_case_id")),
        sa.ForeignKeyConstraint(["lifted_by"], ["people.id"], name=op.f("fk_legal_holds_lifted_by")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_legal_holds_organisation_id")),
        sa.ForeignKeyConstraint(["placed_by"], ["people.id"], name=op.f("fk_legal_holds_placed_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legal_holds")),
    )
    op.create_index(op.f("ix_legal_holds_case_id"), "legal_holds", ["case_id"])
    op.create_index(op.f("ix_legal_holds_organisation_id_lifted_at"), "legal_holds", ["organisation_id", "lifted_at"])


def downgrade() -> None:
    op.drop_table("legal_holds")
    op.drop_table("retention_rules")
