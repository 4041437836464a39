"""ward devices"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.tables

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LIVE = sa.text("ended_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "devices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(length=1023), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("registered_by", sa.Uuid(), nullable=False),
        sa.Column("registered_at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", core.tables.UtcDateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", core.tables.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_devices_organisation_id")),
        sa.ForeignKeyConstraint(["registered_by"], ["people.id"], name=op.f("fk_devices_registered_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_devices_credential_id")),
        sa.UniqueConstraint("digest", name=op.f("uq_devices_digest")),
    )
    op.create_index(op.f("ix_devices_organisation_id"), "devices", ["organisation_id"])
    op.create_table(
        "pins",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("set_at", core.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", core.tables.UtcDateTime(timezone=True), nullable=True),
        sa.Column("ended_at", core.tables.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_pins_device_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_pins_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pins")),
    )
    op.create_index(op.f("ix_pins_person_id"), "pins", ["person_id"])
    op.create_index("uq_pins_live", "pins", ["device_id", "person_id"], unique=True, sqlite_where=LIVE, postgresql_where=LIVE)
    with op.batch_alter_table("sessions") as sessions:
        sessions.add_column(sa.Column("device_id", sa.Uuid(), nullable=True))
        sessions.add_column(sa.Column("scopes", sa.JSON(none_as_null=True), nullable=True))
        sessions.create_index(op.f("ix_sessions_device_id"), ["device_id"])
