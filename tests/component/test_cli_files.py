"""validate, config, push and package: what is said of files, with file, line and column, and without an agent."""

from __future__ import annotations

import io
import json
import socket

import pytest
import yaml

from tests.builders.golden import same
from tests.builders.manifests import image

FAULTY = f"""\
schema: edgetender/v1
deployment: line3
version: 0
modules:
  scorer:
    image: registry.example/scorer:latest
    replicas: 3
    env:
      MODE: 3
  Bad Name:
    image: {image("ocr")}
"""
SOUND = f"""\
schema: edgetender/v1
deployment: line3
version: 15
modules:
  scorer: {{image: "{image("scorer")}", resources: {{memory: 1GiB}}, health: {{docker: true}}}}
  ocr: {{image: "{image("ocr")}", resources: {{memory: 1GiB}}, restart: never}}
"""
CARELESS = """\
schema: edgetender/v1
deployment: line3
version: 15
modules:
  scorer:
    image: registry.example/scorer:latest
    ports: ["0.0.0.0:6789:5001"]
"""
CONFIG = """\
device = "line3 cam7"
[telemetry]
intervall_s = 5
[transport]
kind = "carrier pigeon"
"""


@pytest.fixture
def written(tmp_path):
    def write(name: str, text: str | bytes) -> str:
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return name

    return write


# --- validate ---


def test_all_faults_are_told_at_once_each_with_file_line_and_column(lonely, written):
    same("validate-faults", lonely.run("validate", written("line3.yaml", FAULTY)).transcript())


def test_a_sound_manifest_is_said_to_be_one(lonely, written):
    same("validate-valid", lonely.run("validate", written("line3.yaml", SOUND)).transcript())


def test_what_one_regrets_later_is_a_warning_with_its_place_and_no_failure(lonely, written):
    same("validate-warnings", lonely.run("validate", written("line3.yaml", CARELESS)).transcript())
    said = json.loads(lonely.run("validate", "line3.yaml", "-o", "json").out)
    assert said["valid"]
    assert [one["line"] for one in said["files"][0]["warnings"]] == [6, 5, 5, 7]


def test_digests_are_written_only_into_a_manifest_that_is_a_file(lonely, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(SOUND.encode())))
    said = lonely.run("validate", "-", "--resolve")
    assert (said.code, "no manifest in a file of yours" in said.err) == (2, True)


def test_json_is_located_as_yaml_is(lonely, written):
    text = json.dumps(yaml.safe_load(FAULTY), indent="\t")
    same("validate-json", lonely.run("validate", written("line3.json", text)).transcript())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("yaml", "schema: edgetender/v1\nmodules:\n  a: b: c\n"),
        ("twice", "schema: a\nversion: 1\nschema: b\nversion: 2\n"),
        ("broken_json", '{"schema": "edgetender/v1",\n "version": }\n'),
        ("bytes", b"schema: \xff\n"),
    ],
)
def test_what_cannot_be_read_says_where(lonely, written, name, text):
    file = written("bad.json" if "json" in name else "bad.yaml", text)
    same(f"validate-{name}", lonely.run("validate", file).transcript())


def test_several_files_are_each_judged(lonely, written):
    said = lonely.run("validate", written("a.yaml", SOUND), written("b.yaml", FAULTY))
    assert said.code == 6
    assert said.out == "a.yaml: valid: line3 version 15, 2 modules\n"
    assert all(line.startswith("b.yaml:") for line in said.err.splitlines()[:-1])


def test_validation_for_scripts_is_one_document_with_places(lonely, written):
    said = lonely.run("validate", written("b.yaml", FAULTY), "-o", "json")
    document = json.loads(said.out)
    assert (said.code, said.err, document["kind"], document["valid"]) == (6, "", "Validation", False)
    problems = {
        problem["path"]: (problem["line"], problem["column"]) for problem in document["files"][0]["problems"]
    }
    assert problems["version"] == (3, 1)


def test_a_file_that_is_not_there_is_a_matter_of_usage(lonely):
    for words in (["validate", "no.yaml"], ["plan", "-f", "no.yaml"], ["apply", "-f", "no.yaml"]):
        said = lonely.run(*words)
        assert (said.code, "'no.yaml' does not exist" in said.err) == (2, True)


# --- config ---


def test_config_check_names_each_fault_with_its_line(lonely, written):
    same(
        "config-check-faults",
        lonely.run("config", "check", "--config", written("c.toml", CONFIG)).transcript(),
    )


def test_config_check_says_which_files_are_sound(lonely, written):
    file = written("c.toml", 'device = "line3-cam7"\n')
    same("config-check-sound", lonely.run("config", "check", "--config", file).transcript())


def test_config_show_shows_every_value_and_on_request_its_origin(lonely, written):
    file = written("c.toml", 'device = "line3-cam7"\n[registries."r.example:5000"]\nca = "/etc/ssl/r.pem"\n')
    same("config-show", lonely.run("config", "show", "--config", file).transcript())
    rows = [
        line.split() for line in lonely.run("config", "show", "--origin", "--config", file).out.splitlines()
    ]
    assert ["device", '"line3-cam7"', "c.toml:1"] in rows
    assert ["api.group", '"edgetender"', "default"] in rows


def test_config_shows_the_same_to_scripts_and_takes_the_option_anywhere(lonely, written):
    file = written("c.toml", 'device = "line3-cam7"\n')
    first = {"key": "device", "value": "line3-cam7", "origin": "c.toml:1"}
    for words in (
        ["-o", "json", "config", "show"],
        ["config", "-o", "json", "show"],
        ["config", "show", "-o", "json"],
    ):
        document = json.loads(lonely.run(*words, "--config", file).out)
        assert (document["kind"], document["values"][0]) == ("Config", first)


def test_config_show_of_a_broken_file_says_what_is_wrong_and_is_6(lonely, written):
    said = lonely.run("config", "show", "--config", written("c.toml", CONFIG))
    assert (said.code, said.out) == (6, "")
    assert "c.toml:3: unknown key 'intervall_s'" in said.err


def test_a_daemon_with_a_broken_configuration_is_78_which_systemd_does_not_repeat(lonely, written):
    said = lonely.run("daemon", "--config", written("c.toml", CONFIG))
    assert (said.code, len(said.err.splitlines())) == (78, 3)


# --- push: what is found before anything is sent ---

PUSH = ("--to", "device:line3-cam7", "--broker")


def test_push_sends_nothing_that_the_device_would_not_understand(lonely, written):
    said = lonely.run("push", written("line3.yaml", FAULTY), *PUSH, "mqtt://127.0.0.1:1")
    same("push-faults", said.transcript())


@pytest.mark.parametrize(
    ("option", "value", "helps"),
    [
        ("--to", "line3-cam7", "write it like device:line3-cam7"),
        ("--to", "device:../x", "write it like device:line3-cam7"),
        ("--broker", "hub.example", "write it like mqtts://"),
        ("--broker", "mqtts://user:secret@hub.example", "user and password apart"),
        ("--broker", "mqtts://hub.example:99999", "--broker"),
        ("--timeout", "soon", "--timeout"),
    ],
)
def test_push_explains_what_it_takes(lonely, written, option, value, helps):
    given = {"--to": "device:line3-cam7", "--broker": "mqtts://hub.example"} | {option: value}
    words = [word for pair in given.items() for word in pair]
    said = lonely.run("push", written("line3.yaml", SOUND), *words)
    assert (said.code, helps in said.err, "secret" in said.err) == (2, True, False)


def test_push_to_a_broker_that_is_not_there_is_a_failure(lonely, written):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, but nobody listens
        broker = f"mqtt://127.0.0.1:{nobody.getsockname()[1]}"
        said = lonely.run("-o", "json", "push", written("line3.yaml", SOUND), *PUSH, broker)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("cannot ")


# --- package ---


def test_package_takes_the_format_before_it_too_and_writes_to_output(lonely):
    said = lonely.run("-o", "json", "package", "--output", "oci:image")
    assert (said.code, said.out) == (6, "")
    assert "entryScript: is required" in said.err
    assert "[value.missing]" in said.err


def test_config_show_says_what_each_value_means(lonely, written):
    written("c.toml", 'device = "cam7"\n[labels]\nline = "3"\n[registries."reg.example"]\nca = "/ca.pem"\n')
    rows = lonely.run("config", "show", "--config", "c.toml", "--doc").out.splitlines()
    without = [row.split()[0] for row in rows[1:] if len(row.split("  ")[-1].split()) < 2]
    assert without == ["labels.line"]
    assert rows[0].split() == ["KEY", "VALUE", "MEANING"]
    assert lonely.run("config", "show", "--doc", "--origin").out.splitlines()[0].split()[2] == "ORIGIN"
