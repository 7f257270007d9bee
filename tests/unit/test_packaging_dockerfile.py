"""Does the Dockerfile say what the image's configuration says, whatever is in it?"""

from edgetender.packaging.dockerfile import dockerfile

BASE = {
    "config": {
        "Env": ["PATH=/bin", "KEPT=1"],
        "Labels": {"theirs": "1"},
        "Healthcheck": {"Test": ["CMD", "true"]},
    }
}
IMAGE = {
    "config": {
        "Env": ["PATH=/bin:/opt/environment/bin", "KEPT=1", 'ODD=a "b" $c \\d'],
        "Labels": {"theirs": "1", "ours": "m:1"},
        "User": "65532:65532",
        "WorkingDir": "/var/azureml-app",
        "ExposedPorts": {"5001/tcp": {}},
        "StopSignal": "SIGTERM",
        "Entrypoint": ["/usr/bin/python3.11", "-I", "/opt/edgetender-scoring"],
    }
}


def lines(**changes):
    given = {
        "base_name": "mine:1",
        "base_archives": (),
        "folders": ("environment", "server", "azureml-app"),
        "steps": None,
    }
    return dockerfile(IMAGE, BASE, **given | changes).splitlines()


def test_only_what_the_base_does_not_say_is_said():
    assert [line for line in lines() if line.startswith(("ENV", "LABEL"))] == [
        'ENV PATH="/bin:/opt/environment/bin"',
        'ENV ODD="a \\"b\\" \\$c \\\\d"',
        'LABEL "ours"="m:1"',
    ]


def test_a_base_without_a_name_is_unpacked_and_said_whole():
    found = lines(base_name=None, base_archives=["base/1.tar.gz", "base/2.tar.gz"])

    assert [line for line in found if line.startswith(("FROM", "ADD"))] == [
        "FROM scratch", "ADD base/1.tar.gz /", "ADD base/2.tar.gz /",
    ]  # fmt: skip
    assert 'ENV KEPT="1"' in found


def test_the_entry_point_is_last_and_a_bases_health_check_is_off():
    assert lines()[-2:] == [
        "HEALTHCHECK NONE",
        'ENTRYPOINT ["/usr/bin/python3.11", "-I", "/opt/edgetender-scoring"]',
    ]


def test_steps_come_after_the_environment_and_before_the_server():
    found = [
        line for line in lines(steps="RUN one\n\nRUN two\n") if line.split(" ")[0] in {"RUN", "COPY", "USER"}
    ]

    assert found == [
        "COPY environment/ /opt/environment/", "USER root", "RUN one", "RUN two",
        "COPY server/ /opt/edgetender-scoring/", "COPY azureml-app/ /var/azureml-app/", "USER 65532:65532",
    ]  # fmt: skip


def test_conda_packages_come_from_a_stage_that_is_left_behind():
    found = lines(conda=True, folders=("server", "azureml-app"))

    assert [line for line in found if line.startswith("FROM")] == [
        "FROM mambaorg/micromamba:2.0.5-debian12-slim AS conda",
        "FROM mine:1",
    ]
    assert "COPY --from=conda /opt/environment /opt/environment" in found
