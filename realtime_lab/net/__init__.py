"""Floor 2: the only sockets and SQL. Performs what the rules decide."""
