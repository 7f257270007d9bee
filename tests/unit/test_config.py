"""The configuration: defaults, files and their order, origins, and every fault at once with its line."""

from pathlib import Path

import pytest

from edgetender.config import admin_socket, load
from edgetender.config.lines import lines_of
from edgetender.config.settings import Settings
from edgetender.errors import ConfigInvalid

BROKEN = """\
device = "press 7"
stat_dir = "/var/lib/edgetender"

[engine]
interval_s = "30"

[transport]
kind = "mqtt"
port = 70000
certificate = "/etc/edgetender/device.pem"

[registries."registry.example:5000"]
ca = "ca.pem"

[api]
listen = "0.0.0.0:8787"

[labels]
line = 3
"""


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def faults(*args, **kwargs) -> list[tuple[str, str]]:
    with pytest.raises(ConfigInvalid) as caught:
        load(*args, **kwargs)
    return [(problem.path, problem.code) for problem in caught.value.problems]


def test_without_any_file_every_value_is_its_default(tmp_path):
    settings = load(environ={}, directory=tmp_path)
    assert settings == Settings()
    assert settings.transport.kind == "none"
    assert {origin for _, _, origin in settings.entries()} == {"default"}


def test_all_faults_of_a_file_are_told_at_once_each_with_its_line(tmp_path):
    file = written(tmp_path / "config.toml", BROKEN)
    assert faults(file, {}) == [
        (f"{file}:1", "config.value"),
        (f"{file}:2", "config.unknown_key"),
        (f"{file}:5", "config.value"),
        (f"{file}:7", "config.missing"),  # the host: the line of its table
        (f"{file}:7", "config.missing"),  # the key of the certificate
        (f"{file}:9", "config.value"),
        (f"{file}:13", "config.value"),
        (f"{file}:16", "config.value"),
        (f"{file}:19", "config.value"),
    ]


def test_an_unknown_key_is_answered_with_the_one_that_was_meant(tmp_path):
    file = written(tmp_path / "config.toml", "[telemetry]\nintervall_s = 5\n")
    with pytest.raises(
        ConfigInvalid, match=r"config\.toml:2: unknown key 'intervall_s'; did you mean 'interval_s'"
    ):
        load(file, {})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param(b'device = "a"\n[engine\n', (":2", "config.syntax"), id="a table header left open"),
        pytest.param(b'device = """a\n\n', (":3", "config.syntax"), id="a string left open to the end"),
        pytest.param(b"[api]\nlisten = 1\nlisten = 2\n", (":3", "config.syntax"), id="a key given twice"),
        pytest.param(b'device = "a"\n# \xff\n', (":2", "config.encoding"), id="not UTF-8"),
        pytest.param(b"\n\nengine = 3\n", (":3", "config.type"), id="a value where a table belongs"),
        pytest.param(b"labels = 3\n", (":1", "config.type"), id="a value where free keys belong"),
    ],
)
def test_a_file_that_cannot_be_read_says_on_which_line(tmp_path, text, fault):
    file = tmp_path / "config.toml"
    file.write_bytes(text)
    place, code = fault
    assert faults(file, {}) == [(f"{file}{place}", code)]


def test_a_named_file_that_is_not_there_is_a_fault_and_an_installed_one_is_not(tmp_path):
    assert faults(tmp_path / "no.toml", {}) == [(f"{tmp_path}/no.toml", "config.unreadable")]
    assert faults(None, {"EDGETENDER_CONFIG": f"{tmp_path}/no.toml"}) == [
        (f"{tmp_path}/no.toml", "config.unreadable")
    ]
    assert load(environ={}, directory=tmp_path) == Settings()


def test_later_files_win_and_each_value_knows_where_it_was_written(tmp_path):
    main = written(tmp_path / "config.toml", '# site\ndevice = "press-7"\n[pull]\nconcurrent = 1\n')
    drop = written(
        tmp_path / "conf.d/20-line.toml", 'pull.concurrent = 4\n[registries."r:5000"]\nplain_http = true\n'
    )
    written(tmp_path / "conf.d/10-line.toml", "[pull]\nconcurrent = 3\nstall_timeout_s = 9\n")
    settings = load(environ={}, directory=tmp_path)
    assert (settings.device, settings.pull.concurrent, settings.pull.stall_timeout_s) == ("press-7", 4, 9.0)
    origins = {key: origin for key, _, origin in settings.entries()}
    assert origins["device"] == f"{main}:2"
    assert origins["pull.concurrent"] == f"{drop}:1"
    assert origins['registries."r:5000".plain_http'] == f"{drop}:3"
    assert origins['registries."r:5000".ca'] == "default"


def test_faults_of_several_files_come_together(tmp_path):
    main = written(tmp_path / "config.toml", "device = 1\n")
    drop = written(tmp_path / "conf.d/10.toml", "\n[log]\nlevel = 'LOUD'\n")
    assert faults(None, {}, tmp_path) == [(f"{drop}:3", "config.value"), (f"{main}:1", "config.value")]


def test_lines_are_found_around_long_strings_quoted_keys_and_inline_tables():
    text = 'a = """\nb = 1\n"""\n\n"b c".d = {e = 1}\n[\'x.y\' . z]\nf = [\n  1,\n]\n'
    assert lines_of(text) == {("a",): 1, ("b c", "d"): 5, ("x.y", "z"): 6, ("x.y", "z", "f"): 7}


def test_a_socket_path_the_kernel_cannot_hold_is_refused(tmp_path):
    file = written(tmp_path / "config.toml", f'[api]\nsocket = "/{"a" * 107}"\n')
    assert faults(file, {}) == [(f"{file}:2", "config.value")]


def test_the_socket_is_found_also_where_the_configuration_is_broken(tmp_path):
    file = written(tmp_path / "config.toml", 'devise = 3\n[api]\nsocket = "/run/here.sock"\n')
    assert admin_socket(file, {}) == Path("/run/here.sock")
    assert admin_socket(tmp_path / "no.toml", {}) == Path("/run/edgetender/admin.sock")
    written(file, "[api\n")
    assert admin_socket(None, {"EDGETENDER_CONFIG": str(file)}) == Path("/run/edgetender/admin.sock")


def test_an_iot_hub_needs_something_to_identify_itself_with(tmp_path):
    (tmp_path / "c.toml").write_text('[transport]\nkind = "iothub"\n')
    with pytest.raises(ConfigInvalid, match=r"transport\.password_credential is missing"):
        load(tmp_path / "c.toml")
    certificate = '[transport]\nkind = "iothub"\ncertificate = "/a.pem"\nkey = "/a.key"\n'
    (tmp_path / "c.toml").write_text(certificate)
    with pytest.raises(ConfigInvalid, match=r"transport\.host is missing"):
        load(tmp_path / "c.toml")


@pytest.mark.parametrize("address", ["http://a.example:99999", "https://a.example:x", "https://[a"])
def test_a_port_that_is_none_is_found_before_anything_connects(tmp_path: Path, address: str) -> None:
    file = tmp_path / "c.toml"
    file.write_text(
        f'[events]\nwebhook = "{address}"\n[telemetry]\notlp = "{address}"\n[engine]\nsocket = "{address}"\n'
    )
    assert faults(file, {}) == [(f"{file}:{line}", "config.value") for line in (2, 4, 6)]
