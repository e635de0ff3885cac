"""The leaderboard's tables, the same in SQLite and Postgres."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

BOARD_VERSION: Final = 1
"""Version of the tables; a database of another one is refused."""

metadata = MetaData()

meta = Table(
    "board_meta", metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)  # fmt: skip
"""`board_version`, and the salt under which client addresses are hashed."""

entries = Table(
    "entries", metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(120), nullable=False),
    # Two uploads at once cannot take one name: the database decides. Empty for evaluate-only.
    Column("name_key", String(480), unique=True, nullable=True),
    Column("team", String(120), nullable=False, default=""),
    Column("team_key", String(480), nullable=False, default=""),
    Column("institution", String(160), nullable=False, default=""),
    Column("authors", Text, nullable=False, default=""),
    Column("contact", String(254), nullable=False, default=""),
    Column("link", String(400), nullable=False, default=""),
    Column("remark", Text, nullable=False, default=""),
    Column("origin", String(16), nullable=False),
    Column("listed", Boolean, nullable=False),
    Column("hidden", Boolean, nullable=False, default=False),
    Column("state", String(16), nullable=False),
    Column("message", Text, nullable=False, default=""),
    Column("receipt_hash", String(64), unique=True, nullable=True),
    Column("file_name", String(160), nullable=False, default=""),
    Column("sha256", String(64), nullable=False, default=""),
    Column("findings", Text, nullable=False, default="[]"),
    Column("truth_key", String(64), nullable=False, default=""),
    Column("judge", Text, nullable=False, default=""),
    Column("parsed_rate", Double, nullable=True),
    Column("created_at", Double, nullable=False),
    Column("scored_at", Double, nullable=True),
    Index("entries_by_team", "team_key"),
    sqlite_autoincrement=True,
)  # fmt: skip

uploads = Table(
    "uploads", metadata,
    Column("entry_id", ForeignKey("entries.id", ondelete="CASCADE"), primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("deflated", LargeBinary, nullable=False),
)  # fmt: skip

results = Table(
    "results", metadata,
    Column("entry_id", ForeignKey("entries.id", ondelete="CASCADE"), primary_key=True),
    Column("document", Text, nullable=False),
)  # fmt: skip

scores = Table(
    "scores", metadata,
    Column("entry_id", ForeignKey("entries.id", ondelete="CASCADE"), primary_key=True),
    Column("profile", String(16), primary_key=True),
    Column("scope", String(80), primary_key=True),
    Column("column_name", String(32), primary_key=True),
    Column("value", Double, nullable=True),
)  # fmt: skip
"""`scope` is `all`, `source:…` or `task:…`."""

jobs = Table(
    "jobs", metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("entry_id", ForeignKey("entries.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("claim", String(64), nullable=False, default=""),
    Column("lease_until", Double, nullable=False, default=0.0),
    Column("error", Text, nullable=False, default=""),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    UniqueConstraint("entry_id", "kind", name="one_job_of_a_kind"),
    Index("jobs_to_do", "kind", "state", "id"),
    sqlite_autoincrement=True,
)  # fmt: skip

attempts = Table(
    "attempts", metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("subject", String(80), nullable=False),
    Column("at", Double, nullable=False),
    Index("attempts_by_subject", "subject", "at"),
)  # fmt: skip
"""What rate limits count: hashed client addresses and teams, forgotten after a day."""
