"""Modal's service as far as a launcher meets it: gRPC and blobs on loopback, containers as processes.

Built on the base class in Modal's own wheel, spoken to by Modal's own client. A call runs the body that is
deployed, in a process of its own with a folder of its own for ``/tmp``. Whatever the client asks beyond this
is answered with UNIMPLEMENTED.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import pickle
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status
from grpclib.protocol import H2Protocol
from grpclib.server import Server, Stream
from modal._utils.grpc_testing import patch_mock_servicer
from modal_proto import api_grpc, api_pb2

from kernelbot.config import ROOT
from tests.patience import until
from tests.processes import alive, family

TOKEN = ("ak-fake", "as-fake")
IN_A_CONTAINER = """
import importlib, sys
body = importlib.import_module("runners.modal_app").judge
answer = body(sys.stdin.buffer.read())
sys.stdout.buffer.write(answer)
"""
LARGE_BYTES = 2 << 20
"""Answers above this travel as blobs."""
END_S = 5.0


@dataclass
class Call:
    """One call of a function, and its container."""

    folder: Path
    function: str
    parcel: bytes
    limit_s: int = 0  # of its container; 0: that of the function as it is deployed
    process: asyncio.subprocess.Process | None = None
    result: api_pb2.GenericResult | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    work: asyncio.Task[None] | None = None
    expired: bool = False


@patch_mock_servicer
class Servicer(api_grpc.ModalClientBase):  # type: ignore[misc]
    """What the service answers; a test changes ``functions``, ``next_result``, ``busy``, ``refusals``,
    ``store_says`` and calls."""

    def __init__(self, functions: Iterable[str], folder: Path):
        self.app = "kernelbot"
        self.functions = set(functions)
        self.next_result: api_pb2.GenericResult | None = None
        self.busy = False  # calls wait for a container that never comes
        self.refusals: list[Status] = []  # of the next requests for what came of a call
        self.store_says: list[int] = []  # to the next requests for a blob
        self.calls: dict[str, Call] = {}
        self.bound: dict[str, int] = {}  # functions with a time limit of their caller's
        self.blobs: dict[str, bytes] = {}
        self.blob_url = ""
        self.uploads = self.downloads = 0
        self.created: dict[str, Any] = {}
        self.images: dict[str, Any] = {}
        self.mounts: dict[str, list[str]] = {}
        self.admitting = asyncio.Event()
        self.admitting.set()
        self.knowing = asyncio.Event()  # whether there is a call; else who asks waits
        self.knowing.set()
        self._folder = folder

    # --- functions and their calls -----------------------------------------------------------

    async def ClientHello(self, stream: Stream[Any, Any]) -> None:
        await stream.recv_message()
        await stream.send_message(api_pb2.ClientHelloResponse())

    async def FunctionGet(self, stream: Stream[Any, Any]) -> None:
        request = await stream.recv_message()
        name = request.object_tag
        if request.app_name != self.app or name not in self.functions:
            raise GRPCError(Status.NOT_FOUND, f"there is no function {name}")
        await stream.send_message(
            api_pb2.FunctionGetResponse(
                function_id=f"fu-{name}",
                handle_metadata=_metadata(name),
                function=_data(api_pb2.Function(function_name=name)),
            )
        )

    async def FunctionBindParams(self, stream: Stream[Any, Any]) -> None:
        request = await stream.recv_message()
        options = request.function_options
        asked = [item.name for item, value in options.ListFields() if value != type(value)()]
        if asked != ["timeout_secs"]:
            raise GRPCError(Status.INVALID_ARGUMENT, f"only its time is to be changed, not {asked}")
        name = f"{request.function_id}-{options.timeout_secs}"
        self.bound[name] = options.timeout_secs
        metadata = _metadata(request.function_id.removeprefix("fu-"))
        await stream.send_message(
            api_pb2.FunctionBindParamsResponse(bound_function_id=name, handle_metadata=metadata)
        )

    async def FunctionMap(self, stream: Stream[Any, Any]) -> None:
        request = await stream.recv_message()
        (item,) = request.pipelined_inputs
        packed = self.blobs.pop(item.input.args_blob_id, item.input.args)
        (parcel,), _ = pickle.loads(packed)
        name = f"fc-{len(self.calls)}"
        limit_s = self.bound.get(request.function_id, 0)
        call = self.calls[name] = Call(self._folder / name, request.function_id, parcel, limit_s)
        call.work = asyncio.create_task(self._serve(call))
        await self.admitting.wait()
        answered = api_pb2.FunctionPutInputsResponseItem(idx=0, input_id=f"in-{name}")
        await stream.send_message(
            api_pb2.FunctionMapResponse(function_call_id=name, pipelined_inputs=[answered])
        )

    async def FunctionGetOutputs(self, stream: Stream[Any, Any]) -> None:
        request = await stream.recv_message()
        if self.refusals:
            raise GRPCError(self.refusals.pop(0), "not now")
        call = self.calls.get(request.function_call_id)
        if call is None:
            raise GRPCError(Status.NOT_FOUND, f"there is no call {request.function_call_id}")
        if not call.expired:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(call.ended.wait(), request.timeout)
        if call.result is None or call.expired:
            unfinished = 0 if call.expired else 1
            answer = api_pb2.FunctionGetOutputsResponse(num_unfinished_inputs=unfinished)
        else:
            item = api_pb2.FunctionGetOutputsItem(
                result=call.result, data_format=api_pb2.DATA_FORMAT_PICKLE
            )
            answer = api_pb2.FunctionGetOutputsResponse(outputs=[item])
        await stream.send_message(answer)

    async def FunctionCallFromId(self, stream: Stream[Any, Any]) -> None:
        request = await stream.recv_message()
        name = request.function_call_id
        await self.knowing.wait()
        if name not in self.calls:
            raise GRPCError(Status.NOT_FOUND, f"there is no call {name}")
        await stream.send_message(
            api_pb2.FunctionCallFromIdResponse(function_call_id=name, num_inputs=1)
        )

    async def FunctionGetCurrentStats(self, stream: Stream[Any, Any]) -> None:
        request = await stream.recv_message()
        waiting = [
            call
            for call in self.calls.values()
            if call.process is None and call.result is None and call.function == request.function_id
        ]
        await stream.send_message(api_pb2.FunctionStats(backlog=len(waiting)))

    async def FunctionCallCancel(self, stream: Stream[Any, Any]) -> None:
        request = await stream.recv_message()
        assert request.terminate_containers
        await self.end(self.calls[request.function_call_id])
        await stream.send_message(Empty())

    # --- deploying ---------------------------------------------------------------------------

    async def AppGetByDeploymentName(self, stream: Stream[Any, Any]) -> None:
        await stream.recv_message()
        await stream.send_message(api_pb2.AppGetByDeploymentNameResponse())

    async def AppCreate(self, stream: Stream[Any, Any]) -> None:
        await stream.recv_message()
        await stream.send_message(api_pb2.AppCreateResponse(app_id="ap-1"))

    async def AppHeartbeat(self, stream: Stream[Any, Any]) -> None:
        await stream.recv_message()
        await stream.send_message(Empty())

    async def AppClientDisconnect(self, stream: Stream[Any, Any]) -> None:
        await stream.recv_message()
        await stream.send_message(Empty())

    async def EnvironmentGetOrCreate(self, stream: Stream[Any, Any]) -> None:
        await stream.recv_message()
        settings = api_pb2.EnvironmentSettings(image_builder_version="2025.06")
        metadata = api_pb2.EnvironmentMetadata(name="main", settings=settings)
        await stream.send_message(
            api_pb2.EnvironmentGetOrCreateResponse(environment_id="en-1", metadata=metadata)
        )

    async def MountBatchedCheckExistence(self, stream: Stream[Any, Any]) -> None:
        await stream.recv_message()  # nothing is missing, so nothing is sent
        await stream.send_message(api_pb2.MountBatchedCheckExistenceResponse())

    async def MountGetOrCreate(self, stream: Stream[Any, Any]) -> None:
        request = await stream.recv_message()
        name = f"mo-{len(self.mounts)}"
        self.mounts[name] = [file.filename for file in request.files]
        await stream.send_message(api_pb2.MountGetOrCreateResponse(mount_id=name))

    async def ImageGetOrCreate(self, stream: Stream[Any, Any]) -> None:
        request = await stream.recv_message()
        name = f"im-{len(self.images)}"
        self.images[name] = request.image
        success = api_pb2.GenericResult(status=api_pb2.GenericResult.GENERIC_STATUS_SUCCESS)
        await stream.send_message(api_pb2.ImageGetOrCreateResponse(image_id=name, result=success))

    async def FunctionPrecreate(self, stream: Stream[Any, Any]) -> None:
        request = await stream.recv_message()
        name = request.function_name
        await stream.send_message(
            api_pb2.FunctionPrecreateResponse(
                function_id=f"fu-{name}", handle_metadata=_metadata(name)
            )
        )

    async def FunctionCreate(self, stream: Stream[Any, Any]) -> None:
        request = await stream.recv_message()
        asked, name = request.function, request.function.function_name
        self.created[name] = asked
        await stream.send_message(
            api_pb2.FunctionCreateResponse(
                function_id=f"fu-{name}",
                function=asked,
                function_data=_data(asked),
                handle_metadata=_metadata(name),
            )
        )

    async def AppPublish(self, stream: Stream[Any, Any]) -> None:
        request = await stream.recv_message()
        self.app, self.functions = request.name, set(request.function_ids)
        await stream.send_message(
            api_pb2.AppPublishResponse(url=f"{self.blob_url}/app", deployed_at=time.time())
        )

    # --- blobs -------------------------------------------------------------------------------

    async def BlobCreate(self, stream: Stream[Any, Any]) -> None:
        await stream.recv_message()
        name = f"bl-{len(self.blobs)}-{os.urandom(4).hex()}"
        urls = api_pb2.UploadUrlList(items=[f"{self.blob_url}/{name}"])
        await stream.send_message(
            api_pb2.BlobCreateResponse(blob_id=name, blob_ids=[name], upload_urls=urls)
        )

    async def BlobGet(self, stream: Stream[Any, Any]) -> None:
        request = await stream.recv_message()
        await stream.send_message(
            api_pb2.BlobGetResponse(download_url=f"{self.blob_url}/{request.blob_id}")
        )

    async def put_blob(self, request: web.Request) -> web.Response:
        self.uploads += 1
        content = await request.read()
        self.blobs[request.match_info["name"]] = content
        return web.Response(headers={"ETag": f'"{hashlib.md5(content).hexdigest()}"'})

    async def get_blob(self, request: web.Request) -> web.Response:
        self.downloads += 1
        if self.store_says:
            return web.Response(status=self.store_says.pop(0))
        return web.Response(body=self.blobs[request.match_info["name"]])

    # --- containers --------------------------------------------------------------------------

    async def _serve(self, call: Call) -> None:
        if self.next_result is not None:
            call.result, self.next_result = self.next_result, None
            call.ended.set()
            return
        if self.busy:
            return
        call.folder.mkdir()
        call.folder.chmod(0o755)  # the contestant may be another user
        call.process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", IN_A_CONTAINER,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(call.folder), "MODAL_IS_REMOTE": "1"},
            start_new_session=True,
        )  # fmt: skip
        answer, errors = await call.process.communicate(call.parcel)
        shutil.rmtree(call.folder, ignore_errors=True)
        if call.result is not None:
            return
        if call.process.returncode:
            call.result = api_pb2.GenericResult(
                status=api_pb2.GenericResult.GENERIC_STATUS_FAILURE,
                exception=f"the container ended with {call.process.returncode}",
                traceback=errors.decode("utf-8", "replace"),
            )
        else:
            call.result = self.returned(answer)
        call.ended.set()

    def returned(self, value: object) -> api_pb2.GenericResult:
        """The result of a function that returned this."""
        data, success = pickle.dumps(value), api_pb2.GenericResult.GENERIC_STATUS_SUCCESS
        if len(data) <= LARGE_BYTES:
            return api_pb2.GenericResult(status=success, data=data)
        name = f"bl-{len(self.blobs)}-{os.urandom(4).hex()}"
        self.blobs[name] = data
        return api_pb2.GenericResult(status=success, data_blob_id=name)

    async def end(self, call: Call) -> None:
        """Stop a container: a word first, then everything in it is gone."""
        if call.result is None:
            call.result = api_pb2.GenericResult(
                status=api_pb2.GenericResult.GENERIC_STATUS_TERMINATED, exception="cancelled"
            )
        work = call.work
        if work is not None:  # it may just be starting
            await until(lambda: call.process is not None or work.done())
        if call.process is not None:
            inside = family(call.process.pid)
            _signal(reversed(inside), signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await until(lambda: not alive(inside), END_S)
            _signal(inside, signal.SIGKILL)
        if call.work is not None:
            await asyncio.wait({call.work}, timeout=END_S)
        shutil.rmtree(call.folder, ignore_errors=True)
        call.ended.set()


def _metadata(name: str) -> api_pb2.FunctionHandleMetadata:
    return api_pb2.FunctionHandleMetadata(
        function_name=name, function_type=api_pb2.Function.FUNCTION_TYPE_FUNCTION
    )


def _data(function: api_pb2.Function) -> api_pb2.FunctionData:
    ranked = api_pb2.FunctionData.RankedFunction(rank=0, function=function)
    return api_pb2.FunctionData(function_name=function.function_name, ranked_functions=[ranked])


class Listening(Server):
    """Knows its connections, so that they can be cut."""

    def __init__(self, servicer: Servicer):
        super().__init__([servicer])
        self.protocols: list[H2Protocol] = []

    def _protocol_factory(self) -> H2Protocol:
        protocol = super()._protocol_factory()
        self.protocols.append(protocol)
        return protocol

    async def cut(self) -> None:
        self.close()
        for protocol in self.protocols:
            protocol.connection.close()
        await self.wait_closed()


class FakeModal:
    """The service on a port of its own, which may be away for a while."""

    def __init__(self, functions: Iterable[str]):
        self.folder = Path(tempfile.mkdtemp())
        self.folder.chmod(0o755)
        self.servicer = Servicer(functions, self.folder)
        self.port = 0
        self._server: Listening | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def arrive(self) -> None:
        self._server = Listening(self.servicer)
        await self._server.start("127.0.0.1", self.port)
        listening: Any = self._server._server
        self.port = listening.sockets[0].getsockname()[1]

    async def go_away(self) -> None:
        """No connection is answered; what runs goes on."""
        if self._server is not None:
            await self._server.cut()
            self._server = None

    async def close(self) -> None:
        for call in self.servicer.calls.values():
            await self.servicer.end(call)
        await self.go_away()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def serving(*functions: str) -> AsyncIterator[FakeModal]:
    """A service that has these functions deployed, and nobody else."""
    fake = FakeModal(functions)
    application = web.Application(client_max_size=256 << 20)
    application.router.add_put("/{name}", fake.servicer.put_blob)
    application.router.add_get("/{name}", fake.servicer.get_blob)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    fake.servicer.blob_url = f"http://{host}:{port}"
    await fake.arrive()
    try:
        yield fake
    finally:
        await fake.close()
        await runner.cleanup()


def _signal(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
