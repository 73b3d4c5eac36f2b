"""SQL that an application runs inside a transaction of ours: statements about data, and nothing about where the transaction ends."""

import re

from realtime_lab.errors import AlreadyClosed, InvalidSetting, StoreFailed
from realtime_lab.net.database import Database, Parameters, Row

ALLOWED = frozenset(
    {"SELECT", "VALUES", "WITH", "INSERT", "REPLACE", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "EXPLAIN", "ANALYZE", "REINDEX"}
)

FIRST_WORD = re.compile(r"(?:\s|--[^\n]*\n?|/\*.*?(?:\*/|\Z))*(\w*)", re.DOTALL)
"""After space and comments. SQLite skips more (measured: ";COMMIT" commits), so what begins in another way is refused."""


class Statements:
    """`tx`: SQL on one database, undone as a whole if what it is for raises. It can be used only until that is over.

    A deferred foreign key is judged at the commit, where it would undo other work too. Do not declare any.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._over = False

    async def execute(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run one statement on the application's tables and give its rows.

        Raises InvalidSetting for BEGIN, COMMIT, PRAGMA and the like: where the transaction ends is not the application's affair. What
        SQLite says about the statement itself comes as sqlite3.Error.
        """
        word = FIRST_WORD.match(sql)
        if word is None or word[1].upper() not in ALLOWED:
            raise InvalidSetting(f"tx.execute({sql!r}): one statement about data is expected, such as SELECT, INSERT, UPDATE or DELETE.")
        return await self._run(sql, parameters)

    def close(self) -> None:
        """It is over."""
        self._over = True

    async def _run(self, sql: str, parameters: Parameters) -> list[Row]:
        self._check_open()
        return await self._database.execute(sql, parameters)

    def _check_open(self) -> None:
        if self._over:
            raise AlreadyClosed("this tx has ended with the work that it was given to. Do everything before the function returns.")
        if not self._stands:  # SQLite may end it by itself; another statement would then be on its own
            raise StoreFailed(f"SQLite has undone this transaction of the {self._database.what} {self._database.path}. Try again.")

    @property
    def _stands(self) -> bool:
        return self._database.in_transaction
