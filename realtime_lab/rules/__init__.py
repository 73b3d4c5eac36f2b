"""Floor 0: the guarantees as small pure rules. No asyncio, clock, chance, socket or SQL."""
