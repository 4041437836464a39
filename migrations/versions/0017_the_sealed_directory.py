"""The sealed directory that patients are searched by. Whoever was there before is entered by the worker."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_UNLISTED = sa.text("shard_id IS NULL")


def upgrade() -> None:
    op.create_table(
        "patient_shards",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_patient_shards_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patient_shards")),
    )
    op.create_index("ix_patient_shards_organisation_id", "patient_shards", ["organisation_id"])
    with op.batch_alter_table("patients", schema=None) as batch_op:
        batch_op.add_column(sa.Column("shard_id", sa.Uuid(), nullable=True))
        batch_op.create_foreign_key(batch_op.f("fk_patients_shard_id"), "patient_shards", ["shard_id"], ["id"])
        batch_op.create_index(
            "ix_patients_unlisted", ["organisation_id", "id"], unique=False, sqlite_where=_UNLISTED, postgresql_where=_UNLISTED
        )


def downgrade() -> None:
    with op.batch_alter_table("patients", schema=None) as batch_op:
        batch_op.drop_index("ix_patients_unlisted", sqlite_where=_UNLISTED, postgresql_where=_UNLISTED)
        batch_op.drop_constraint(batch_op.f("fk_patients_shard_id"), type_="foreignkey")
        batch_op.drop_column("shard_id")

    op.drop_table("patient_shards")
