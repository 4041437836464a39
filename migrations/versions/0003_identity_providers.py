"""Identity providers of hospitals, links of people's accounts to them, and the ceremonies of signing in."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.tables

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "oidc_ceremonies",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("onward", sa.Text(), nullable=False),
        sa.Column("expires_at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("ended_at", core.tables.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oidc_ceremonies")),
        sa.UniqueConstraint("digest", name=op.f("uq_oidc_ceremonies_digest")),
    )
    with op.batch_alter_table("oidc_ceremonies", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_oidc_ceremonies_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "identity_providers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("client_secret", sa.LargeBinary(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("second_factors", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_identity_providers_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_providers")),
        sa.UniqueConstraint("organisation_id", "issuer", name=op.f("uq_identity_providers_organisation_id_issuer")),
    )
    op.create_table(
        "account_links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("linked_at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("used_at", core.tables.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_account_links_person_id")),
        sa.ForeignKeyConstraint(["provider_id"], ["identity_providers.id"], name=op.f("fk_account_links_provider_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_links")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_account_links_issuer_subject")),
    )
    with op.batch_alter_table("account_links", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_account_links_person_id"), ["person_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_account_links_provider_id"), ["provider_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("account_links", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_account_links_provider_id"))
        batch_op.drop_index(batch_op.f("ix_account_links_person_id"))

    op.drop_table("account_links")
    op.drop_table("identity_providers")
    with op.batch_alter_table("oidc_ceremonies", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_oidc_ceremonies_expires_at"))

    op.drop_table("oidc_ceremonies")
