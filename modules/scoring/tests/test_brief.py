"""Is only that done on the event loop which keeps nobody waiting?"""

import asyncio
import math
import threading

import numpy as np
import pytest

from edgetender_scoring import brief
from edgetender_scoring.brief import seconds_per_byte
from edgetender_scoring.inference import ModelHandler
from edgetender_scoring.message import Request
from edgetender_scoring.nocode_score import ScoreCodec
from edgetender_scoring.onnx_model import load
from edgetender_scoring.outcome import Outcome
from edgetender_scoring.providers import Wanted
from edgetender_scoring.tensors import Tensor
from edgetender_scoring.workers import Pool

onnx_models = pytest.importorskip("modules.scoring.tests.onnx_models", reason="onnx is not installed")

ROWS = Tensor("x", "FP32", (-1, 10))
CPU = [("CPUExecutionProvider", "Gemm"), ("CPUExecutionProvider", "Softmax")]


def test_the_size_of_a_request_tells_how_long_a_plain_model_runs():
    row = 20  # bytes that ten numbers have at least
    assert seconds_per_byte([ROWS], CPU, 40e-6) * row == pytest.approx(40e-6, rel=0.01)


def test_of_raw_bytes_a_value_takes_as_many_as_its_type():
    row = 40
    assert seconds_per_byte([ROWS], CPU, 40e-6, raw=True) * row == pytest.approx(40e-6)


@pytest.mark.parametrize(
    ("inputs", "nodes", "run_s"),
    [
        ([ROWS], [*CPU, ("CPUExecutionProvider", "Loop")], 5e-6),
        ([ROWS], [*CPU, ("CUDAExecutionProvider", "Conv")], 5e-6),
        ([ROWS], [], 5e-6),
        ([Tensor("x", "FP32", (-1, -1))], CPU, 5e-6),
        ([ROWS, Tensor("t", "BYTES", (-1,))], CPU, 5e-6),
    ],
    ids=["branches", "elsewhere", "unknown", "free length", "texts"],
)
def test_what_may_take_longer_than_its_size_says_is_never_brief(inputs, nodes, run_s):
    assert seconds_per_byte(inputs, nodes, run_s) == math.inf
    assert seconds_per_byte(inputs, nodes, run_s, raw=True) == math.inf


def test_a_loaded_model_knows_its_own_limit(tmp_path):
    quick = load("quick", "1", onnx_models.mlp(tmp_path / "quick.onnx"), Wanted(threads=1))
    looping = load("looping", "1", onnx_models.slow(tmp_path / "looping.onnx"), Wanted(threads=1))
    assert looping.per_byte_s == math.inf
    assert 0 < quick.per_byte_s < math.inf


def test_what_can_be_no_json_is_weighed_as_raw_bytes_and_all_else_as_json(tmp_path):
    model = load("quick", "1", onnx_models.mlp(tmp_path / "quick.onnx"), Wanted(threads=1))
    weigh = ModelHandler(model, ScoreCodec()).takes_s
    json_like, raw = (weigh(posted(body)) for body in (b"7" * 40, b"\x00" * 40))
    assert raw < json_like / 1.9
    for first in b'{["-0123456789tfn \t\r\n':
        assert weigh(posted(bytes([first]) + b"\x00" * 39)) == json_like


def posted(body):
    return Request("POST", b"/score", b"", keep_alive=True, body=body)


class Handler:
    """Calls take 10 µs, or what the body says; the outcome says who made them, and with how many."""

    def __init__(self, batch=1):
        self.batch = batch
        self.pause = threading.Event()  # never set

    def takes_s(self, request):
        return {b"long": 0.01, b"third": 0.0003}.get(request.body, 0.00001)

    def call(self, request):
        if request.body == b"late":
            self.pause.wait(0.1)
        return Outcome(200, threading.current_thread().name.encode())

    def call_many(self, requests):
        return [Outcome(200, b"%d" % len(requests)) for _ in requests]

    def stop(self, _thread):
        return False


async def outcomes(pool, handler, *bodies):
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in bodies]
    for body, future in zip(bodies, futures, strict=True):
        pool.submit(handler, posted(body), future.set_result)
    return [outcome.body for outcome in await asyncio.wait_for(asyncio.gather(*futures), 20)]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    """Both kinds of loop: the time of one of them stands still while a call is made."""
    if request.param == "uvloop":
        return pytest.importorskip("uvloop").run
    return asyncio.run


def on_a_pool(run, work, threads=1, **more):
    async def main():
        pool = Pool(asyncio.get_running_loop(), 20_000, lambda _: None, **more)
        pool.grow(threads)
        found = await work(pool)
        assert (pool.in_flight, pool.queued) == (0, 0)
        pool.close()
        return found

    return run(main())


def test_brief_calls_are_made_on_the_loop_and_others_beside_it(run):
    found = on_a_pool(run, lambda pool: outcomes(pool, Handler(), b"x", b"long", b"x"))
    assert found == [b"MainThread", b"scoring", b"MainThread"]


def test_what_several_threads_do_beside_each_other_is_brief_for_one_only(run):
    async def work(pool):
        return await outcomes(pool, Handler(), b"third")

    assert on_a_pool(run, work) == [b"MainThread"]
    assert on_a_pool(run, work, threads=2) == [b"scoring"]


def test_brief_calls_that_were_read_together_run_together(run):
    found = on_a_pool(run, lambda pool: outcomes(pool, Handler(batch=3), *[b"x"] * 7))
    assert found == [b"3"] * 6 + [b"MainThread"]


def test_what_runs_together_takes_no_longer_than_a_turn(run):
    found = on_a_pool(run, lambda pool: outcomes(pool, Handler(batch=9), *[b"third"] * 9))
    assert found == [b"3"] * 9


def test_calls_wait_for_company_where_that_is_asked_for(run):
    found = on_a_pool(run, lambda pool: outcomes(pool, Handler(batch=9), *[b"x"] * 3), batch_wait_s=0.2)
    assert found == [b"3"] * 3


def test_what_is_not_as_brief_as_foretold_goes_to_the_threads_for_a_while(run):
    async def work(pool):
        return [*await outcomes(pool, Handler(), b"late"), *await outcomes(pool, Handler(), b"x")]

    assert on_a_pool(run, work) == [b"MainThread", b"scoring"]


def test_one_broken_batch_is_answered_and_does_not_hold_up_those_around_it(run):
    class Broken(Handler):
        def call_many(self, requests):
            return []

    async def work(pool):
        broken = Broken(batch=3)
        found = [outcomes(pool, one, *[b"x"] * 3) for one in (Handler(), broken, Handler())]
        return await asyncio.gather(*found)

    before, broken, after = on_a_pool(run, work)
    assert before == after == [b"MainThread"] * 3
    assert all(b"scoring script" in body for body in broken)


def test_brief_calls_that_were_read_together_are_all_made_before_the_first_answer(run, monkeypatch):
    monkeypatch.setattr(brief, "_TURN_S", 10.0)  # a busy machine may take a millisecond between two of them
    happened = []

    class Noting(Handler):
        def call(self, request):
            happened.append("call")
            return super().call(request)

    async def work(pool):
        done = asyncio.get_running_loop().create_future()

        def deliver(_):
            happened.append("answer")
            if happened.count("answer") == 3:
                done.set_result(None)

        for _ in range(3):
            pool.submit(Noting(), Request("POST", b"/score", b"", keep_alive=True), deliver)
        await asyncio.wait_for(done, 20)

    on_a_pool(run, work)
    assert happened == ["call"] * 3 + ["answer"] * 3


def test_a_long_row_of_brief_calls_lets_the_loop_breathe(run):
    turns = []

    class Slow(Handler):
        def call(self, request):
            np.linalg.svd(np.ones((60, 60)))
            return super().call(request)

    async def work(pool):
        loop = asyncio.get_running_loop()
        going = True

        def count():
            turns.append(1)
            if going:
                loop.call_soon(count)

        loop.call_soon(count)
        await outcomes(pool, Slow(), *[b"x"] * 100)
        going = False

    on_a_pool(run, work)
    assert len(turns) > 5
