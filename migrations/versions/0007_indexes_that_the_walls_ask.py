"""Indexes that the wall between hospitals asks: what a key and a body belong to, who signed, which grants live."""

from collections.abc import Sequence

from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

INDEXES = (
    ("ix_instances_key", "instances", ["key_id"]),
    ("ix_instances_body", "instances", ["body_id"]),
    ("ix_opinions_author_organisation_id", "opinions", ["author_organisation_id"]),
    ("ix_grants_until", "grants", ["grantee_organisation_id", "expires_at"]),
)


def upgrade() -> None:
    for name, table, columns in INDEXES:
        op.create_index(name, table, columns)


def downgrade() -> None:
    for name, table, _ in INDEXES:
        op.drop_index(name, table)
