"""Is production data sampled into files, and do the files keep their bounds?"""

import json
import resource
import time

import pytest

from edgetender_scoring.collector import Collect, Collector
from edgetender_scoring.message import Request

SCRIPT = "def init(): ...\ndef run(data): return [data]"


def records(folder):
    return [
        json.loads(line)
        for path in sorted(folder.glob("data-*.jsonl"))
        for line in path.read_text().splitlines()
    ]


def test_requests_and_answers_are_written(serving, tmp_path):
    folder = tmp_path / "kept"
    with serving(SCRIPT, EDGETENDER_SCORING_COLLECT_DIR=str(folder)) as server:
        answer = server.score(b'{"a": 1}', x_ms_client_request_id="c")
        server.score("ä".encode(), x_request_id="mine")
        server.score(b"\xff")
        server.ask("GET", "/")
        server.terminate()
        assert server.process.wait(60) == 0
        first, second, third = records(folder)

    assert first["input"] == {"a": 1}
    assert first["output"] == ['{"a": 1}']
    assert (first["status"], first["client_request_id"]) == (200, "c")
    assert first["request_id"] == answer.header("x-request-id")
    assert abs(first["time"] - time.time()) < 60
    assert (second["input"], second["request_id"]) == ("ä", "mine")
    assert (third["input"], third["status"]) == ({"base64": "/w=="}, 400)
    assert (next(folder.iterdir()).stat().st_mode & 0o777) == 0o600


def test_the_agent_s_own_questions_are_no_production_data(serving, tmp_path):
    folder = tmp_path / "kept"
    with serving(SCRIPT, EDGETENDER_SCORING_COLLECT_DIR=str(folder)) as server:
        server.score(b"proof", User_Agent="edgetender")
        server.score(b"asked", User_Agent="edgetender-shop/1.0")
        server.terminate()
        assert server.process.wait(60) == 0
        assert [one["input"] for one in records(folder)] == ["asked"]


@pytest.mark.parametrize("switch", ["AML_MDC_STORAGE_ENABLED", "AML_MODEL_DC_STORAGE_ENABLED"])
def test_the_originals_switches_turn_it_on_and_answers_can_be_left_out(serving, tmp_path, switch):
    names = {switch: "true", "APP_INSIGHTS_LOG_RESPONSE_ENABLED": "false"}
    with serving(SCRIPT, **names) as server:
        server.score(b"x")
        server.terminate()
        server.process.wait(60)
        (one,) = records(tmp_path / "modeldata")

    assert one["input"] == "x"
    assert "output" not in one


def request(body):
    return Request("POST", b"/score", b"", keep_alive=True, body=body)


def test_a_sample_is_a_part(tmp_path):
    collector = Collector(Collect(tmp_path, sample=0.25), seed=1)
    for number in range(400):
        collector.note(request(b"%d" % number), 200, b"", "", "")
    collector.close()

    assert 60 < len(records(tmp_path)) < 140
    assert collector.written == len(records(tmp_path))
    assert collector.dropped == 0


def test_all_files_together_keep_the_bound_and_the_newest_data(tmp_path):
    for start in range(2):  # the second goes on where the first ended
        collector = Collector(Collect(tmp_path, most=20_000))
        for number in range(300):
            collector.note(request(b"%d" % (start * 300 + number)), 200, b"y" * 50, "", "")
        collector.close()
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 20_000

    kept = [record["input"] for record in records(tmp_path)]
    assert kept == list(range(kept[0], 600))
    assert 50 < len(kept) < 300


def test_a_record_too_large_for_a_file_is_dropped_and_counted(tmp_path):
    collector = Collector(Collect(tmp_path, most=8_000))
    collector.note(request(b"x" * 5000), 200, b"", "", "")
    collector.note(request(b"1"), 200, b"", "", "")
    collector.close()

    assert [record["input"] for record in records(tmp_path)] == [1]
    assert (collector.written, collector.dropped) == (1, 1)


def test_what_no_text_can_hold_is_kept_as_it_was_asked(tmp_path):
    collector = Collector(Collect(tmp_path))
    asked = [b'["\\ud800"]', '["\u00e4"]'.encode()]
    for body in asked:
        collector.note(request(body), 200, body, "", "")
    collector.close()

    assert [record["output"] for record in records(tmp_path)] == [["\ud800"], ["\u00e4"]]
    assert (collector.written, collector.dropped) == (2, 0)


def test_no_request_ends_the_collecting(tmp_path):
    collector = Collector(Collect(tmp_path))
    depths = range(900, 1010)  # some can be read and not be written: the record is a level more
    for depth in depths:
        collector.note(request(b"[" * depth + b"]" * depth), 200, b"", "", "")
    collector.note(request(b"1"), 200, b"", "", "")
    collector.close()

    (file,) = tmp_path.iterdir()
    assert json.loads(file.read_text().splitlines()[-1])["input"] == 1
    assert collector.written + collector.dropped == len(depths) + 1


def test_a_disk_that_takes_half_a_record_keeps_whole_ones_only(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        collector = Collector(Collect(tmp_path))
        for body in (b"1", b"x" * 150_000, b"2"):
            collector.note(request(body), 200, b"", "", "")
        collector.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert [record["input"] for record in records(tmp_path)] == [1, 2]
    assert (collector.written, collector.dropped) == (2, 1)


def test_a_full_disk_costs_records_and_nothing_else(tmp_path):
    collector = Collector(Collect(tmp_path / "gone"))
    (tmp_path / "gone").rmdir()
    collector.note(request(b"1"), 200, b"", "", "")
    collector.close()

    assert (collector.written, collector.dropped) == (0, 1)


def test_metrics_count_what_is_kept(serving, tmp_path):
    with serving(SCRIPT, EDGETENDER_SCORING_COLLECT_DIR=str(tmp_path / "kept")) as server:
        server.score(b"x")
        deadline = time.monotonic() + 60
        while "edgetender_scoring_collected_total 1" not in server.ask("GET", "/metrics").body.decode():
            assert time.monotonic() < deadline
