"""A client that the log has forgotten (EventLog, forget_clients), because it was silent for long, goes on all the same."""

from pathlib import Path

from realtime_lab.net.transaction import Transaction
from tests.net.harness import CHAT, RETRIES, Stack, deduping, offline, until


async def forget(it: Stack, client_id: str) -> None:
    """As retention does."""

    async def work(tx: Transaction) -> None:
        await tx.execute("DELETE FROM log_answers WHERE client_id = ?", (client_id,))
        await tx.execute("DELETE FROM log_clients WHERE client_id = ?", (client_id,))

    assert it.server._log is not None
    await it.server._log.transact(work)


async def test_one_that_stays_connected_goes_on_with_its_next_number(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        client = await it.connected(**RETRIES)
        for n in (1, 2, 3):
            await client.emit(CHAT, n)
        await forget(it, client._outbox.peer.client_id)
        fates = [await client.emit(CHAT, n) for n in (4, 5)]
        assert [fate.outcome for fate in fates] == ["acked", "acked"]
        assert it.at_server == [1, 2, 3, 4, 5]


async def test_one_that_comes_back_goes_on_with_what_it_has_not_finished(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        client = await it.connected(**RETRIES)
        await client.emit(CHAT, 1)
        await offline(it, client)
        late = client.emit(CHAT, 2)
        await forget(it, client._outbox.peer.client_id)
        it.link.restore()
        assert (await late).outcome == "acked"
        await until(lambda: it.at_server == [1, 2])
