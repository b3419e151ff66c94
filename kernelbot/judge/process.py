"""One contestant's process as the referee sees it: started, told what to do, timed, ended.

Where a submission runs on several devices there is a process for each, its ranks, in one sandbox and
one tree; a step is done when all of them have done it, and the first that fails ends the run.

Everything that comes from them is turned into either a step forward or a Failure. There is no third
outcome: an odd doorbell, a closed descriptor, a signal or silence all have their verdict, and none
of them is the judge's fault.
"""

from __future__ import annotations

import builtins
import contextlib
import math
import os
import signal
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from kernelbot.judge import cgroups, channel, native, sandbox, syscalls
from kernelbot.judge.build import Workshop, detail, no_memory, shorten, summary
from kernelbot.judge.channel import (
    Arena,
    Channel,
    Closed,
    Doorbell,
    Garbled,
    Layout,
    Switchboard,
)
from kernelbot.judge.deck import Deck, HostDeck, Sets, trial
from kernelbot.judge.device import cores
from kernelbot.judge.guard import Tree, Unstoppable, Watch, forget, register
from kernelbot.judge.inside.driver import DeviceMemory, Unavailable
from kernelbot.judge.output import Drain, printable
from kernelbot.judge.page import Page, cores_beside, on_one_core, stuck, time_gated, time_ungated
from kernelbot.judge.protocol import Job, Mode, Stage, VerdictKind
from kernelbot.judge.warm import NotForked, Nursery, Order, command_line, reap

START_S = 180.0
ADDRESS_SPACE, ADDRESS_SPACE_OF_A_THREAD = 8 << 30, 256 << 20
"""Address space beyond the memory limit: libraries, and stack and allocator arenas of a thread for each core. With 64
cores, a product of matrices ended for want of it with the first figure alone."""
PATIENCE_NS = 250_000_000
IMPATIENCE_NS = 3_000_000
"""How long the gate stays shut for a call that is not enqueued yet: for one that nobody times, which may
compile, and for one that is timed. What is done before it opens, on other streams say, is done for nothing."""
ECHO_S = 0.2
"""How long it may take until it is known that a rank has ended, when another has noticed it."""
ENDING_S = 4.0
"""The same when its channel is closed: what it had on its device is taken apart in between."""
OUT_OF_MEMORY = ("MemoryError", "OutOfMemoryError", "_ArrayMemoryError")
OUT_OF_MEMORY_TEXT = (
    "can't allocate memory", "Cannot allocate memory", "CUDA out of memory", "HIP out of memory",
    "CUDA error: out of memory", "HIP error: out of memory",
)  # fmt: skip
CAUSES: dict[int, str] = {
    signal.SIGSEGV: " It touched memory that is not its own.",
    signal.SIGBUS: " It touched memory behind the end of a file, or of an odd address.",
    signal.SIGFPE: " It divided an integer by zero.",
    signal.SIGILL: " It met an instruction that this processor does not have, or a trap of the compiler's.",
    signal.SIGABRT: " It aborted itself, as for an assertion in C or an exception that no C++ code catches.",
}
"""What a signal mostly means, for who has no debugger there."""
NO_MEMORY = "No memory was left."
"""What may be said of it when inputs are secret: how much was asked for could tell of them."""


class Failure(Exception):
    """The contestant's run ends here, with this verdict."""

    def __init__(
        self, kind: VerdictKind, message: str, *, guarded: str = "", detail: str = "",
        rule: str = "", evidence: str = "",
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.guarded = guarded or message  # what may be said when inputs are secret
        self.detail = detail  # traceback or compiler output, for the log
        self.rule = rule
        self.evidence = evidence

    def of(self, rank: int) -> Failure:
        """The same, told as one rank's."""
        self.message = f"rank {rank}: {self.message}"
        self.guarded = f"rank {rank}: {self.guarded}"
        return self


class NotStarted(Exception):
    """The runtime did not come up behind this fence; nothing submitted has run."""


@dataclass(frozen=True)
class Sample:
    """The time of one call."""

    ns: int  # by the referee's clock, overhead included
    claimed_ns: float = math.nan  # by the contestant's device events
    late: bool = False  # the gate opened before everything was enqueued
    revealed: bool = False  # a decoy lay in the input's place until the gate was about to open
    lag_ns: int = 0  # how long its device then took to run again
    host_ns: int = 0  # of ns, in which the referee wrote and waited for nobody


class Rank:
    """What the referee shares with one of the processes that run a submission together."""

    def __init__(self, on_device: bool) -> None:
        self.channel = Channel()
        self.page = Page() if on_device else None
        self.arena: Arena | Sets | None = None

    def send(self, message: dict[str, object], *descriptors: int) -> None:
        with contextlib.suppress(Closed):  # the wait that follows says what happened
            self.channel.send(message, descriptors)

    def ring(self) -> None:
        with contextlib.suppress(Closed):
            self.channel.ring()

    def close(self) -> None:
        self.channel.close()
        if self.page is not None:
            self.page.close()


class Contestant:
    """A running process, or several. Ends with :meth:`close`, which leaves nothing of it alive."""

    def __init__(
        self,
        nursery: Nursery,
        workshop: Workshop,
        job: Job,
        fence: sandbox.Fence,
        tool: Callable[[list[str]], list[str]] | None = None,
        *,
        plain: bool = False,
        sharing: bool = False,
    ) -> None:
        """``tool`` puts the command line of a program, a profiler's, in front of the runtime's.

        ``plain``: without gates and shared device memory, which a profiler would see or stumble over.
        ``sharing``: it is asked at once whether device memory can be shared, as it was with others. Not for several
        ranks: the first would answer before the last is warm.
        """
        self.fence = fence
        self.gated = False
        self.sharing = False  # device memory can be shared with it
        self._job = job
        self._workshop = workshop
        self._stage = Stage.BUILD
        self.compiling = False  # its next call is the first, which compiles what is compiled late
        # What goes on and how long it may take, where the stage's limit is not meant.
        self._doing: tuple[str, float] | None = ("starting the runtime", START_S)
        self._number = 0
        self._unarmed = 0
        self.ranks = [Rank(job.device != "cpu") for _ in range(job.world_size)]
        self._channels = [rank.channel for rank in self.ranks]
        if not self._alone:
            # None of them is the process that is started: that one forks them, and waits.
            self._channels.append(Channel())
        self._board = Switchboard(self._channels)
        self._handle: int | None = None  # of the process, where its end is to be noticed
        first = self._channels[-1]
        output, written = os.pipe()
        try:
            self._pid = nursery.start(
                self._order(tool), first.theirs.fileno(), written, self._adopt
            )
            if not self._alone:
                theirs = [rank.channel.theirs.fileno() for rank in self.ranks]
                first.send({"op": "divide"}, theirs)
        except NotForked as error:
            self._let_go()
            os.close(output)
            raise NotStarted(f"{fence.kind}: {error}") from error
        finally:
            os.close(written)
        for each in self._channels:
            each.theirs.close()
        if self._alone:
            # A worker that it has forked may keep the channel open when it is gone. Of several ranks the process that
            # waits for them tells.
            with contextlib.suppress(OSError):
                self._handle = os.pidfd_open(self._pid)
                self._board.add(self._handle, 0)
        self._log = Drain(output, 2 * job.limits.output_bytes)
        self._watch = Watch(self._tree, job.memory_bytes, workshop.work)
        for number, rank in enumerate(self.ranks):
            hello = {
                "rank": number,
                "world_size": job.world_size,
                "threads": max(1, cores() // job.world_size),
                "directory": str(workshop.work),
                "submission": job.submission,
                "cores": cores_beside(),
                "plain": plain,
            }
            rank.send(hello, *([rank.page.descriptor] if rank.page else []))
        self._tried: dict[
            int, DeviceMemory
        ] = {}  # by ranks that were asked to; they answer when they are warm
        for number in range(len(self.ranks)) if sharing else ():
            self._ask(number)

    @property
    def _alone(self) -> bool:
        return self._job.world_size == 1

    def _order(self, tool: Callable[[list[str]], list[str]] | None) -> Order:
        runtime = self._workshop.runtime
        plan = fenced_plan(self._workshop, self._job, self.fence)
        behind = self.fence.kind == "bubblewrap"
        line = command_line(str(runtime))
        afresh = tool(line) if tool else line if behind and not self.fence.join else []
        return Order(
            plan, str(runtime), sandbox.bubblewrap(plan, runtime) if behind else [], afresh
        )

    def _adopt(self, pid: int) -> None:
        """The process is there and waits: whatever it starts from now on is held with it."""
        self._tree = adopted(pid, self._job, self.fence)

    @property
    def fences(self) -> tuple[str, ...]:
        """Everything that holds this process, by name."""
        pids = self._tree.members()
        return (*sandbox.observed(self.fence, pids, self._job.world_size), *self._tree.fences)

    # --- steps ---------------------------------------------------------------------------------

    def warm(
        self, *, gated: bool = False, sharing: bool = False, timeout_s: float = math.inf
    ) -> None:
        """Wait until the runtime is up. Raises NotStarted, also where it came up without the gates or the
        shared memory that it must have."""
        try:
            bells = self._expect(channel.WARM, min(timeout_s, START_S))
            self.gated = all(bell.text == b"gates" for bell in bells)
            answers = [self._can_share(rank) for rank in range(len(self.ranks))]
            self.sharing = all(answers)
        except Failure as error:
            text = self.close() or error.message
            raise NotStarted(f"{self.fence.kind}: {shorten(text, 2000)}") from error
        lost = lack(gates=(gated, self.gated), shared_memory=(sharing, self.sharing))
        if lost:
            self.close()
            raise NotStarted(f"{self.fence.kind}: it came up without {lost}")
        self._doing = None
        self._tree.gather()
        self._rest()

    def _can_share(self, rank: int) -> bool:
        """Whether a process can use memory of the referee's on its device, which takes gates."""
        if rank not in self._tried and not (self.gated and self._ask(rank)):
            return False
        (bell,) = self._expect(channel.PREPARED, START_S, of=(rank,))
        del self._tried[rank]
        return self.gated and bell.text == b"shared"

    def _ask(self, rank: int) -> bool:
        """Have a process try memory of the referee's, where there is any to be had."""
        try:
            memory = trial(rank)
            descriptor = memory.export()
        except (RuntimeError, Unavailable):
            return False
        self.ranks[rank].send({"op": "share"}, descriptor)
        os.close(descriptor)
        self._tried[rank] = memory
        return True

    def load(
        self, timeout_s: float, recipe: dict[str, object] | None = None, *, again: bool = False
    ) -> float:
        """Import the submission, or compile it by its recipe; returns the seconds it took.

        ``again``: other processes of the run have done so, of those that are measured some maybe.
        """
        began = time.monotonic()
        if again:
            what = "importing and compiling once more, in the processes that are measured"
            self._doing = (what, self._job.limits.build_s)
        for rank in self.ranks:
            rank.send({"op": "load", "native": recipe})
        self._tree.go()
        self._expect(channel.READY, timeout_s)
        self._rest()
        self._doing = None
        self.compiling = True
        return time.monotonic() - began

    def enter(self, stage: Stage) -> None:
        self._stage = stage

    def misfit(self, layout: Layout) -> str:
        """Why a case is not what the problem promised to a submission of this kind."""
        return native.misfit(self._job, layout)

    def lay_out(self, layouts: Sequence[Layout]) -> list[Arena | Sets]:
        """Memory for a case, for each rank as near to its device as the machine allows."""
        return [self._lain_out(at, layout) for at, layout in enumerate(layouts)]

    def _lain_out(self, rank: int, layout: Layout) -> Arena | Sets:
        if self.ranks[rank].page is None:
            return Arena(layout)
        if self.sharing and all(slot.device != "cpu" for slot in layout.slots):
            return Deck(layout, rank, len(self.ranks))
        return HostDeck(layout, gated=self.gated, ranks=len(self.ranks))

    def prepare(self, arenas: Sequence[Arena | Sets], timeout_s: float) -> None:
        """Show the contestant the layout of a case; its data comes with the call."""
        self._watch.allowance = sum(arena.layout.size for arena in arenas)
        for rank, arena in zip(self.ranks, arenas, strict=True):
            rank.arena = arena
            rank.send({"op": "case", **arena.to_json()}, arena.descriptor)
        self._tree.go()
        self._expect(channel.PREPARED, timeout_s)
        self._rest()

    def call(self, timeout_s: float, *, timed: bool = False) -> Sample:
        """One call on what the arena holds. The contestant stands still before and after.

        Of one that is not ``timed`` the time says nothing: it may work for long before its gate opens.
        """
        self._number += 1
        if self.compiling:
            self._doing = ("the first call of custom_kernel", round(timeout_s, 1))
        self.compiling = False
        if self._job.device == "cpu":
            sample = self._call_cpu(timeout_s)
        else:
            self._demand_stillness()
            sample = self._call_cuda(timeout_s, timed=timed)
            self._rest()
        self._doing = None
        return sample

    def watch(self, how: str) -> None:
        """Have the next call profiled, that of the first rank: by "torch", or in the "range" that a
        tool waits for."""
        self.ranks[0].send({"op": "watch", "how": how})

    def trace(self, timeout_s: float) -> tuple[str, BinaryIO]:
        """What torch's profiler saw of the last call: its table, and its trace as an open file."""
        descriptor = os.memfd_create("trace", os.MFD_CLOEXEC)
        self.ranks[0].send({"op": "trace"}, descriptor)
        file = os.fdopen(descriptor, "rb")
        try:
            self._tree.go()
            (bell,) = self._expect(channel.PREPARED, timeout_s, of=(0,))
            self._rest()
        except Failure:
            file.close()
            raise
        file.seek(0)
        return printable(bell.text), file

    def leave(self, timeout_s: float) -> None:
        """Let it end like a program that is over: the tool it runs under writes its report then."""
        self.ranks[0].send({"op": "leave"})
        self._tree.go()
        self._exit_code(timeout_s)

    def close(self) -> str:
        """Kill everything that came from this process; returns what it printed."""
        self._tree.kill()
        self._watch.close()
        if reap(self._pid, 10.0) is not None:
            forget(self._pid)
        self._let_go()
        return self._log.close().replace(str(self._workshop.work) + os.sep, "")

    def _let_go(self) -> None:
        for rank in self.ranks:
            rank.close()
        self._channels[-1].close()
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _call_cpu(self, timeout_s: float) -> Sample:
        # Before the word: a stopped process can have the kernel continue it when one comes. And before it is asked
        # whether it stood still: what begins right behind that is in the time.
        began = channel.monotonic_ns()
        self._demand_stillness()
        for rank in self.ranks:
            rank.ring()
        self._tree.go()
        self._expect(channel.DONE, timeout_s)
        self._tree.halt()
        ended = channel.monotonic_ns()
        if self._rest():
            ended = channel.monotonic_ns()
        return Sample(ended - began)

    def _call_cuda(self, timeout_s: float, *, timed: bool) -> Sample:
        number = self._number
        pages = [rank.page for rank in self.ranks if rank.page is not None]
        arenas = [rank.arena for rank in self.ranks if isinstance(rank.arena, Sets)]
        deadline = time.monotonic() + timeout_s

        def hopeless() -> bool:
            """An error, an end or a time-out: waiting for the doorbell says which."""
            heard = self._board.heard(0)
            if len(pages) in heard or time.monotonic() > deadline:
                return True
            return stuck(pages, heard, number, gated=self.gated)

        for page, arena in zip(pages, arenas, strict=True):
            page.choose(arena.at)
        with on_one_core():
            for rank in self.ranks:
                rank.ring()
            self._tree.go()
            self._expect(channel.LOADED, timeout_s)
            if self.gated:
                late = not self._armed(pages, hopeless, timed=timed)
                hiding = [arena for arena in arenas if arena.hides]
                revealed = bool(hiding)

                def reveal() -> None:
                    for arena in hiding:
                        arena.reveal()
                    for arena in hiding:
                        arena.revealed()

                withheld = [arena.withheld for arena in arenas]
                asked = [arena.asked for arena in arenas]
                taken = time_gated(
                    pages, number, withheld, asked, hopeless, reveal if revealed else None
                )
                for arena in arenas:
                    arena.glance()
            else:
                late = revealed = False
                taken = time_ungated(pages, number, hopeless)
        bells = self._expect(channel.DONE, deadline - time.monotonic())
        claimed = _longest([_claim(bell.text) for bell in bells])
        return Sample(taken.ns, claimed, late, revealed, taken.lag_ns, taken.host_ns)

    def _armed(self, pages: Sequence[Page], hopeless: Callable[[], bool], *, timed: bool) -> bool:
        """Wait until everything is enqueued; a call that waits for the device never will be."""
        patience = patience_ns(timed=timed, unarmed=self._unarmed)
        armed = all(page.armed(self._number, patience, hopeless) for page in pages)
        self._unarmed += not armed
        return armed

    def settled(self, rank: int) -> bool:
        """Whether a rank's output of the last call was finished when the clock stopped.

        The words that answered for it are what it holds now, and so is what was seen of it then.
        """
        import torch

        if rank == 0:
            self._demand_stillness()  # of all of them
        arena, page = self.ranks[rank].arena, self.ranks[rank].page
        if not self.gated or not isinstance(arena, Sets) or page is None:
            return True
        found = arena.words()
        answered = bool(torch.equal(found, page.probed(found.numel())))
        return answered and arena.unchanged()

    def told(self, failure: Failure, rank: int | None) -> Failure:
        """A failure by the name of the rank that it is about, where there are several; None: all of them."""
        return failure if self._alone or rank is None else failure.of(rank)

    # --- doorbells -----------------------------------------------------------------------------

    def _expect(
        self, tag: bytes, timeout_s: float, of: Sequence[int] | None = None
    ) -> list[Doorbell]:
        """The next doorbell of all ranks or of some, if it is the one that is due.

        Those that are not, of whichever ranks, are raised as one Failure.
        """
        awaited = range(len(self.ranks)) if of is None else of
        deadline = time.monotonic() + timeout_s
        bells: dict[int, Doorbell] = {}
        while missing := [rank for rank in awaited if rank not in bells]:
            heard = self._board.heard(deadline - time.monotonic())
            if not heard:
                raise self.out_of_time(missing)
            failures: dict[int, Failure | None] = {}
            for rank in heard:
                try:
                    bells[rank] = self._due(rank, tag if rank in missing else b"")
                except Closed:
                    failures[rank] = None
                except Failure as failure:
                    failures[rank] = failure
            if failures:
                raise self._blamed(failures)
        return [bells[rank] for rank in awaited]

    def _blamed(self, failures: Mapping[int, Failure | None]) -> Failure:
        """The one to tell of failures that came at once, as its rank's. None: the channel is closed.

        What a rank raises, or that it ends, because another has ended is that one's.
        """
        rank, failure = next(iter(failures.items()))
        if failure is None or failure.detail:
            first = self._first_to_end(ECHO_S if failure else ENDING_S)
            if first is not None:
                rank, code = first
                failure = failures.get(rank)
                return self.told(failure, rank) if failure else self._ended(code, rank)
        if failure is None:
            status = self._exit_code(timeout_s=1.0)
            return self._ended(status, rank if status is None else None)
        return self.told(failure, rank)

    def _first_to_end(self, timeout_s: float) -> tuple[int, int] | None:
        """The first rank to end and its exit code, or minus the signal, by the word of the process that
        forked them; None when it says nothing."""
        if self._alone:
            return None
        self._tree.go()  # it may stand still with the others
        waiting = self._channels[-1]
        try:
            bell = (
                waiting.receive() if Switchboard([waiting]).heard(timeout_s) else Doorbell(b"", 0)
            )
        except (Closed, Garbled):
            return None
        if bell.tag != channel.ENDED or bell.number >= len(self.ranks) or len(bell.text) != 4:
            return None
        return bell.number, int.from_bytes(bell.text, "little", signed=True)

    def _receive(self, rank: int) -> Doorbell:
        """What a rank has to say. The process that waits for them speaks when one is gone."""
        if rank == len(self.ranks):
            raise Closed
        return self.ranks[rank].channel.receive()

    def _due(self, rank: int, tag: bytes) -> Doorbell:
        """What a rank has to say, if it is what is due; otherwise raises Failure or Closed."""
        try:
            bell = self._receive(rank)
        except Garbled:
            raise self._foul("something was written to the judge's channel") from None
        if bell.number == self._number and bell.tag == channel.FAILED:
            raise self._raised(bell)
        if bell.number == self._number and bell.tag == channel.MISMATCH:
            raise self._mismatch(bell)
        if (bell.tag, bell.number) != (tag, self._number):
            raise self._foul("a doorbell rang that was not due")
        return bell

    def _rest(self) -> bool:
        """Stop the whole tree; anything it rang besides what was due ends the run.

        True when something of it may have run until now.
        """
        try:
            ran_on = self._tree.stop()
        except Unstoppable:
            raise Failure(
                VerdictKind.CRASHED, "The program started processes that could not be stopped."
            ) from None
        if heard := self._board.heard(0):
            raise self._blamed({rank: self._untimely(rank) for rank in heard})
        return ran_on

    def _demand_stillness(self) -> None:
        """It had nothing to do since it was last stopped. Raises Failure."""
        if not self._tree.stood_still() and not self._watch.exceeded:
            raise Failure(
                VerdictKind.CRASHED, "The program ran on while it was to stand still between calls."
            )

    def _untimely(self, rank: int) -> Failure | None:
        """What is wrong with a rank that is heard when nothing is due; None: its channel is closed."""
        try:
            self._receive(rank)
        except Closed:
            return None
        except Garbled:
            pass
        return self._foul("an extra doorbell rang after the call was over")

    def out_of_time(self, missing: Sequence[int] = ()) -> Failure:
        """``missing``: the ranks that were waited for in vain."""
        if self._watch.exceeded:
            return self._exceeded()
        limit = {
            Stage.BUILD: self._job.limits.build_s,
            Stage.CHECK: self._job.limits.check_s,
            Stage.MEASURE: self._job.limits.measure_s,
        }[self._stage]
        what = "importing and compiling" if self._stage is Stage.BUILD else "calls of custom_kernel"
        what, limit = self._doing or (what, limit)
        return Failure(
            VerdictKind.TIMED_OUT,
            f"{what} in the {self._stage.value} stage took longer than {limit:g} s"
            f"{'' if self._alone else _in_vain(missing)}.",
        )

    def _raised(self, bell: Doorbell) -> Failure:
        name, text = _split(bell.text)
        # A call knows secret inputs, and an exception's text may carry them.
        known = name if name in dir(builtins) else "an exception"
        secret = f"custom_kernel raised {known}. Run it in test mode to see where."
        if name in OUT_OF_MEMORY or any(word in text for word in OUT_OF_MEMORY_TEXT):
            return Failure(
                VerdictKind.OUT_OF_MEMORY, no_memory(text), guarded=NO_MEMORY, detail=text
            )
        if self._stage is Stage.BUILD:
            # In the measured process it can: the checked one may have left it a note.
            again = f"The import raised {known} the second time."
            return Failure(
                VerdictKind.BUILD_FAILED, summary(name, text), guarded=again,
                detail=detail(name, text),
            )  # fmt: skip
        message = f"custom_kernel raised {summary(name, text)}"
        return Failure(VerdictKind.CRASHED, message, guarded=secret, detail=text)

    def _mismatch(self, bell: Doorbell) -> Failure:
        text = shorten(printable(bell.text))
        return Failure(
            VerdictKind.WRONG_ANSWER,
            text,
            guarded="the output has the wrong type, shape or dtype",
        )

    def _foul(self, evidence: str) -> Failure:
        return Failure(
            VerdictKind.DISQUALIFIED,
            f"The submission interfered with the judge: {evidence}.",
            rule="doorbell",
            evidence=evidence,
        )

    def _exceeded(self) -> Failure:
        if self._watch.exceeded == "files":
            return Failure(
                VerdictKind.CRASHED, "The program wrote too many files or too much in them."
            )
        if self._watch.exceeded == "sight":
            return Failure(
                VerdictKind.CRASHED, "The program's use of the machine could not be told."
            )
        who = "It" if self._alone else "All ranks together"
        return Failure(VerdictKind.OUT_OF_MEMORY, over_limit(self._job.memory_bytes, who))

    def _ended(self, code: int | None, rank: int | None) -> Failure:
        """Why a process is gone, or why it has closed its end although it is not: a rank, or for None
        the one that waits for them."""
        doing = "while it was imported" if self._stage is Stage.BUILD else "during a call"
        if self._watch.exceeded:
            return self._exceeded()
        if code is None:
            failure = Failure(
                VerdictKind.CRASHED, f"The program closed its connection to the judge {doing}."
            )
            return self.told(failure, rank)
        how = f"was killed by {_signal_name(-code)}" if code < 0 else f"exited with code {code}"
        cause = CAUSES.get(-code, "")
        if cause and self._job.submission.endswith(".py"):
            cause += " After faulthandler.enable() the log says in which line."
        failure = Failure(
            VerdictKind.CRASHED,
            f"The program {how} {doing}.{cause}",
            guarded=f"The program ended {doing}.",  # eight bits of an input fit in the code
        )
        return self.told(failure, rank)

    def _exit_code(self, timeout_s: float) -> int | None:
        """Exit code, or minus the signal; None while it lives. Leaves it to be reaped later."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is not None:
                code = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
                waited = self.fence.kind == "bubblewrap" and 128 < code < 128 + signal.NSIG
                # How a process that waits says that its child was killed by a signal.
                return 128 - code if waited else code
            if time.monotonic() > deadline:
                return None
            time.sleep(0.005)


def patience_ns(*, timed: bool, unarmed: int) -> int:
    """How long to wait for a call to be enqueued, after so many that never were."""
    return PATIENCE_NS if not timed and unarmed < 3 else IMPATIENCE_NS


def lack(**parts: tuple[bool, bool]) -> str:
    """The first part that must be there and is not, in words; "" if none. Pairs: it must be, it is."""
    lost = (name for name, (wanted, there) in parts.items() if wanted and not there)
    return next(lost, "").replace("_", " ")


def adopted(pid: int, job: Job, fence: sandbox.Fence) -> Tree:
    """The tree of a process that has just been started, in a group that holds all that comes of it."""
    held = sandbox.holds_groups(fence)
    return register(pid, cgroups.create(job.memory_bytes, job.processes) if held else None)


def fenced_plan(workshop: Workshop, job: Job, fence: sandbox.Fence) -> sandbox.Plan:
    """What a process behind this fence may see and use."""
    return sandbox.Plan(
        uid=fence.uid,
        parent=os.getpid(),
        landlock=fence.landlock,
        namespaces=fence.namespaces,
        workdir=str(workshop.work),
        look=workshop.owner == fence.uid,
        read=[*sandbox.read_paths(), *native.read_paths(), str(workshop.runtime.parent)],
        memory_bytes=address_space(job.limits.memory_bytes, job.device),
        processes=job.processes,
        environment=sandbox.environment(workshop.work, job.device),
        seccomp=syscalls.filter_program(
            profiling=job.mode is Mode.PROFILE,
            network=job.mode is Mode.PROFILE,
            loopback=job.world_size > 1,
        ).hex(),
        loopback=job.world_size > 1,
        outside=sandbox.network_to_leave(fence) if job.world_size > 1 else "",
    )


def address_space(memory_bytes: int, device: str) -> int:
    """The limit of a process that may use so much memory; 0 for none: a GPU's driver maps all there is."""
    return (
        memory_bytes + ADDRESS_SPACE + cores() * ADDRESS_SPACE_OF_A_THREAD if device == "cpu" else 0
    )


def over_limit(memory_bytes: int, who: str = "It") -> str:
    """What is said of a program that used more memory than it may."""
    return f"{who} used more memory than the limit of {memory_bytes / (1 << 30):.3g} GiB."


def _split(text: bytes) -> tuple[str, str]:
    """Name of an exception and its traceback."""
    name, _, rest = text.partition(b"\0")
    return printable(name), printable(rest)


def _claim(text: bytes) -> float:
    """The contestant's device time in ns: eight bytes, or nothing worth looking at."""
    if len(text) != 8:
        return math.nan
    (claimed,) = struct.unpack("<d", text)
    return float(claimed) if 0 <= claimed < 1e15 else math.nan


def _longest(claims: Sequence[float]) -> float:
    """The time of the slowest rank; not a number where one has none."""
    return math.nan if any(map(math.isnan, claims)) else max(claims)


def _in_vain(missing: Sequence[int]) -> str:
    names = ", ".join(map(str, missing))
    return f"; rank{'s' * (len(missing) > 1)} {names} did not come to an end" if missing else ""


def _signal_name(number: int) -> str:
    try:
        return f"signal {signal.Signals(number).name}"
    except ValueError:
        return f"signal {number}"
