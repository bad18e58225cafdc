"""The first revision."""

import sqlalchemy
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.add_column("orders", sqlalchemy.Column("placed_at", sqlalchemy.DateTime))
