"""A worker to be killed: it starts the run that it reads, says what that is found by, and waits."""

from __future__ import annotations

import asyncio
import pickle
import sys

SAYS = b"found by: "


async def main() -> None:
    maker, sent = pickle.load(sys.stdin.buffer)
    launch = await maker().start(sent)
    sys.stdout.buffer.write(b"\n" + SAYS + launch.handle.encode() + b"\n")
    sys.stdout.buffer.flush()
    await asyncio.sleep(3600)


if __name__ == "__main__":
    asyncio.run(main())
