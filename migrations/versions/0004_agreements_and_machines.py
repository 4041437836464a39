"""agreements that both sides confirm, with their documents; referrals without one; machines

What an operator had recorded stands as confirmed and covers consultation: it was what the command line said of
itself. The line of free text beside it is not carried over, for words are sealed now and a migration holds no key.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.tables

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

MOMENT = core.tables.UtcDateTime(timezone=True)
LIVE = sa.text("revoked_at IS NULL")
TWO_PARTIES = sa.CheckConstraint("organisation_id <> other_id", name="ck_agreements_two_parties")


def upgrade() -> None:
    with op.batch_alter_table("agreements", table_args=(TWO_PARTIES,)) as batch:
        batch.alter_column("recorded_by", new_column_name="proposed_by")
        batch.alter_column("recorded_at", new_column_name="proposed_at")
        batch.alter_column("ended_at", new_column_name="closed_at")
        batch.add_column(sa.Column("state", sa.String(64), nullable=True))
        batch.add_column(sa.Column("covers", sa.JSON(), nullable=True))
        batch.add_column(sa.Column("words", sa.LargeBinary(), nullable=True))
        batch.add_column(sa.Column("other_words", sa.LargeBinary(), nullable=True))
        batch.add_column(sa.Column("confirmed_by", sa.Uuid(), nullable=True))
        batch.add_column(sa.Column("confirmed_at", MOMENT, nullable=True))
        batch.add_column(sa.Column("closed_by", sa.Uuid(), nullable=True))
        batch.add_column(sa.Column("closed_by_organisation_id", sa.Uuid(), nullable=True))
        batch.add_column(sa.Column("reason", sa.String(64), nullable=True))
        batch.add_column(sa.Column("reminded_days", sa.Integer(), nullable=True))
        batch.drop_column("scope")
    op.execute(
        """UPDATE agreements SET covers = '["consultation"]', confirmed_by = proposed_by, confirmed_at = proposed_at,
        state = CASE WHEN closed_at IS NULL THEN 'confirmed' ELSE 'ended' END"""
    )
    with op.batch_alter_table("agreements", table_args=(TWO_PARTIES,)) as batch:
        batch.alter_column("state", existing_type=sa.String(64), nullable=False)
        batch.alter_column("covers", existing_type=sa.JSON(), nullable=False)
    op.create_table(
        "agreement_documents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("media_type", sa.String(64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sealed_size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["agreement_id"], ["agreements.id"], name=op.f("fk_agreement_documents_agreement_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_agreement_documents_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agreement_documents")),
        sa.UniqueConstraint("agreement_id", "organisation_id", name=op.f("uq_agreement_documents_agreement_id_organisation_id")),
    )
    op.create_table(
        "unagreed_referrals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("referral_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("to_organisation_id", sa.Uuid(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("told_at", MOMENT, nullable=False),
        sa.Column("settled_at", MOMENT, nullable=True),
        sa.Column("settled_by", sa.Uuid(), nullable=True),
        sa.Column("settled_as", sa.String(64), nullable=True),
        sa.ForeignKeyConstraint(["referral_id"], ["referrals.id"], name=op.f("fk_unagreed_referrals_referral_id")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_unagreed_referrals_case_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_unagreed_referrals_organisation_id")),
        sa.ForeignKeyConstraint(["to_organisation_id"], ["organisations.id"], name=op.f("fk_unagreed_referrals_to_organisation_id")),
        sa.ForeignKeyConstraint(["settled_by"], ["people.id"], name=op.f("fk_unagreed_referrals_settled_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unagreed_referrals")),
        sa.UniqueConstraint("referral_id", name=op.f("uq_unagreed_referrals_referral_id")),
    )
    op.create_index(op.f("ix_unagreed_referrals_organisation_id"), "unagreed_referrals", ["organisation_id"])
    op.create_index(op.f("ix_unagreed_referrals_to_organisation_id"), "unagreed_referrals", ["to_organisation_id"])
    op.create_table(
        "machines",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("ae_title", sa.String(16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("may", sa.JSON(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(32), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("not_before", MOMENT, nullable=False),
        sa.Column("not_after", MOMENT, nullable=False),
        sa.Column("registered_by", sa.Uuid(), nullable=True),
        sa.Column("registered_at", MOMENT, nullable=False),
        sa.Column("last_seen_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.Column("expiry_told_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_machines_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_machines")),
    )
    op.create_index(op.f("ix_machines_organisation_id"), "machines", ["organisation_id"])
    for name, column in (("uq_machines_title", "ae_title"), ("uq_machines_fingerprint", "fingerprint")):
        op.create_index(name, "machines", [column], unique=True, sqlite_where=LIVE, postgresql_where=LIVE)


def downgrade() -> None:
    op.drop_table("machines")
    op.drop_table("unagreed_referrals")
    op.drop_table("agreement_documents")
    # what nobody had confirmed had no place before
    op.execute("DELETE FROM agreements WHERE confirmed_at IS NULL")
    with op.batch_alter_table("agreements", table_args=(TWO_PARTIES,)) as batch:
        batch.alter_column("proposed_by", new_column_name="recorded_by")
        batch.alter_column("proposed_at", new_column_name="recorded_at")
        batch.alter_column("closed_at", new_column_name="ended_at")
        batch.add_column(sa.Column("scope", sa.Text(), nullable=False, server_default=""))
        for column in ("state", "covers", "words", "other_words", "confirmed_by", "confirmed_at"):
            batch.drop_column(column)
        for column in ("closed_by", "closed_by_organisation_id", "reason", "reminded_days"):
            batch.drop_column(column)
    with op.batch_alter_table("agreements", table_args=(TWO_PARTIES,)) as batch:
        batch.alter_column("scope", existing_type=sa.Text(), server_default=None)
