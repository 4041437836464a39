"""People in training, and the countersignatures on what they enter and advise."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.tables

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "trainings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("since", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("begun_by", sa.Uuid(), nullable=True),
        sa.Column("ended_at", core.tables.UtcDateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["begun_by"], ["people.id"], name=op.f("fk_trainings_begun_by")),
        sa.ForeignKeyConstraint(["ended_by"], ["people.id"], name=op.f("fk_trainings_ended_by")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_trainings_organisation_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_trainings_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trainings")),
    )
    with op.batch_alter_table("trainings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_trainings_organisation_id_person_id"), ["organisation_id", "person_id"], unique=False)
        batch_op.create_index(
            "uq_trainings_live",
            ["person_id", "organisation_id"],
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )

    op.create_table(
        "entry_reviews",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["people.id"], name=op.f("fk_entry_reviews_author_id")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_entry_reviews_case_id")),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name=op.f("fk_entry_reviews_entry_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_entry_reviews_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entry_reviews")),
        sa.UniqueConstraint("entry_id", name=op.f("uq_entry_reviews_entry_id")),
    )
    with op.batch_alter_table("entry_reviews", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_entry_reviews_author_id_state"), ["author_id", "state"], unique=False)
        batch_op.create_index(batch_op.f("ix_entry_reviews_case_id"), ["case_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_entry_reviews_organisation_id_state_id"), ["organisation_id", "state", "id"], unique=False)

    op.create_table(
        "countersignatures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("opinion_id", sa.Uuid(), nullable=False),
        sa.Column("senior_id", sa.Uuid(), nullable=False),
        sa.Column("at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_countersignatures_case_id")),
        sa.ForeignKeyConstraint(["opinion_id"], ["opinions.id"], name=op.f("fk_countersignatures_opinion_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_countersignatures_organisation_id")),
        sa.ForeignKeyConstraint(["senior_id"], ["people.id"], name=op.f("fk_countersignatures_senior_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_countersignatures")),
        sa.UniqueConstraint("opinion_id", name=op.f("uq_countersignatures_opinion_id")),
    )
    with op.batch_alter_table("countersignatures", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_countersignatures_case_id"), ["case_id"], unique=False)

    op.create_table(
        "entry_review_steps",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("review_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("by_id", sa.Uuid(), nullable=False),
        sa.Column("at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["by_id"], ["people.id"], name=op.f("fk_entry_review_steps_by_id")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_entry_review_steps_case_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_entry_review_steps_organisation_id")),
        sa.ForeignKeyConstraint(["review_id"], ["entry_reviews.id"], name=op.f("fk_entry_review_steps_review_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entry_review_steps")),
    )
    with op.batch_alter_table("entry_review_steps", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_entry_review_steps_review_id"), ["review_id"], unique=False)

    op.create_table(
        "presentations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("referral_id", sa.Uuid(), nullable=True),
        sa.Column("addendum_to", sa.Uuid(), nullable=True),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("author_organisation_id", sa.Uuid(), nullable=False),
        sa.Column("senior_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("signed_at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("urgency", sa.Text(), nullable=True),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("decided_at", core.tables.UtcDateTime(timezone=True), nullable=True),
        sa.Column("words", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["addendum_to"], ["opinions.id"], name=op.f("fk_presentations_addendum_to")),
        sa.ForeignKeyConstraint(["author_id"], ["people.id"], name=op.f("fk_presentations_author_id")),
        sa.ForeignKeyConstraint(["author_organisation_id"], ["organisations.id"], name=op.f("fk_presentations_author_organisation_id")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_presentations_case_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_presentations_organisation_id")),
        sa.ForeignKeyConstraint(["referral_id"], ["referrals.id"], name=op.f("fk_presentations_referral_id")),
        sa.ForeignKeyConstraint(["senior_id"], ["people.id"], name=op.f("fk_presentations_senior_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_presentations")),
    )
    with op.batch_alter_table("presentations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_presentations_author_id_state"), ["author_id", "state"], unique=False)
        batch_op.create_index(batch_op.f("ix_presentations_case_id_id"), ["case_id", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_presentations_referral_id"), ["referral_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_presentations_senior_id_state"), ["senior_id", "state"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("presentations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_presentations_senior_id_state"))
        batch_op.drop_index(batch_op.f("ix_presentations_referral_id"))
        batch_op.drop_index(batch_op.f("ix_presentations_case_id_id"))
        batch_op.drop_index(batch_op.f("ix_presentations_author_id_state"))

    op.drop_table("presentations")
    with op.batch_alter_table("entry_review_steps", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_entry_review_steps_review_id"))

    op.drop_table("entry_review_steps")
    with op.batch_alter_table("countersignatures", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_countersignatures_case_id"))

    op.drop_table("countersignatures")
    with op.batch_alter_table("entry_reviews", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_entry_reviews_organisation_id_state_id"))
        batch_op.drop_index(batch_op.f("ix_entry_reviews_case_id"))
        batch_op.drop_index(batch_op.f("ix_entry_reviews_author_id_state"))

    op.drop_table("entry_reviews")
    with op.batch_alter_table("trainings", schema=None) as batch_op:
        batch_op.drop_index("uq_trainings_live", sqlite_where=sa.text("ended_at IS NULL"), postgresql_where=sa.text("ended_at IS NULL"))
        batch_op.drop_index(batch_op.f("ix_trainings_organisation_id_person_id"))

    op.drop_table("trainings")
