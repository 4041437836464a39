"""Proposals that take two administrators, invitations, separate duties, and more of a person's profile."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.tables

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "invitations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("to_organisation_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=False),
        sa.Column("made_at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("ended_at", core.tables.UtcDateTime(timezone=True), nullable=True),
        sa.Column("ended_as", sa.String(length=64), nullable=True),
        sa.Column("accepted_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["accepted_by"], ["people.id"], name=op.f("fk_invitations_accepted_by")),
        sa.ForeignKeyConstraint(["made_by"], ["people.id"], name=op.f("fk_invitations_made_by")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_invitations_organisation_id")),
        sa.ForeignKeyConstraint(["to_organisation_id"], ["organisations.id"], name=op.f("fk_invitations_to_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("digest", name=op.f("uq_invitations_digest")),
    )
    with op.batch_alter_table("invitations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_invitations_case_id"), ["case_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_invitations_organisation_id"), ["organisation_id"], unique=False)

    op.create_table(
        "proposals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("role", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=False),
        sa.Column("proposed_at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("ended_by", sa.Uuid(), nullable=True),
        sa.Column("ended_at", core.tables.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["ended_by"], ["people.id"], name=op.f("fk_proposals_ended_by")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_proposals_organisation_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_proposals_person_id")),
        sa.ForeignKeyConstraint(["proposed_by"], ["people.id"], name=op.f("fk_proposals_proposed_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposals")),
    )
    with op.batch_alter_table("proposals", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_proposals_organisation_id_state"), ["organisation_id", "state"], unique=False)

    with op.batch_alter_table("organisations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("separate_duties", sa.Boolean(), server_default=sa.false(), nullable=False))

    with op.batch_alter_table("people", schema=None) as batch_op:
        batch_op.add_column(sa.Column("email", sa.Text(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("practising_since", sa.Integer(), nullable=True))
        batch_op.create_index(
            "uq_people_email",
            ["organisation_id", "email"],
            unique=True,
            sqlite_where=sa.text("email <> ''"),
            postgresql_where=sa.text("email <> ''"),
        )


def downgrade() -> None:
    with op.batch_alter_table("people", schema=None) as batch_op:
        batch_op.drop_index("uq_people_email", sqlite_where=sa.text("email <> ''"), postgresql_where=sa.text("email <> ''"))
        batch_op.drop_column("practising_since")
        batch_op.drop_column("email")

    with op.batch_alter_table("organisations", schema=None) as batch_op:
        batch_op.drop_column("separate_duties")

    with op.batch_alter_table("proposals", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_proposals_organisation_id_state"))

    op.drop_table("proposals")
    with op.batch_alter_table("invitations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_invitations_organisation_id"))
        batch_op.drop_index(batch_op.f("ix_invitations_case_id"))

    op.drop_table("invitations")
