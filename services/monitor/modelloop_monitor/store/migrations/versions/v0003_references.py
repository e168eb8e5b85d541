"""A reference has the time at which it was last known to be needed; until now that of its first coming."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Rename it: what is needed is noted anew long before anything is forgotten."""
    op.execute("ALTER TABLE reference_documents RENAME COLUMN created TO needed")
