"""Is a database of the agent whole? Looked at from outside, also while the daemon has it open."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote


def inspect(path: Path) -> str | None:
    """What is wrong with it, "" for nothing; None where there is no such file. Writes nothing. Reads every page."""
    try:
        if not path.exists():
            return None
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=5)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except (sqlite3.Error, OSError) as error:
        return str(error)
    if found != ("ok",):
        return str(found[0]) if found else "the check gave no answer"
    return "" if tables else "it has no tables"
