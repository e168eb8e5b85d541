"""What the monitor keeps, in SQLite or PostgreSQL: `Store` gives transactions, the other modules work in one."""
