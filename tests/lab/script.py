"""The fifteen lines of the README, as a function."""

from realtime_lab import Lab, Verdict


async def script() -> Verdict:
    async with Lab.start() as lab:
        alice = await lab.join("alice")
        await lab.join("bob")
        alice.link.cut(before="chat message #6")
        for n in range(1, 11):
            alice.emit("chat message", n)
        await lab.settle()
        alice.link.restore()
        await lab.settle()
        lab.check()
        return lab.verdict()
