"""Which image does a base's name mean, where its registry is named beside it?"""

import pytest

from edgetender.errors import ConfigInvalid
from edgetender.packaging.inference_config import ContainerRegistry, InferenceConfig


def configured(image, address):
    return InferenceConfig(base_image=image, base_image_registry=ContainerRegistry(address))


@pytest.mark.parametrize(
    ("image", "address", "expected"),
    [
        ("team/base:v1", "r.example", "r.example/team/base:v1"),
        ("base:v1", "https://r.example:5000/", "r.example:5000/base:v1"),
        ("r.example/base:v1", "r.example", "r.example/base:v1"),
        ("ubuntu:22.04", "https://index.docker.io/v1/", "docker.io/ubuntu:22.04"),
        ("./base.tar", "r.example", "./base.tar"),
        ("oci:base", "r.example", "oci:base"),
        ("from-run:7", "r.example", "from-run:7"),
        ("base:v1", None, "base:v1"),
    ],
)
def test_a_base_that_names_no_registry_is_of_the_one_beside_it(image, address, expected):
    config = configured(image, address)
    config.check(script_required=False)
    assert config.base_reference == expected


@pytest.mark.parametrize(
    ("image", "address", "word"),
    [
        ("other.example/base:1", "r.example", "of other.example"),
        ("base:1", "myregistry", "no registry's host"),
    ],
)
def test_a_base_of_another_registry_than_the_one_beside_it_is_a_fault(image, address, word):
    with pytest.raises(ConfigInvalid, match=word) as caught:
        configured(image, address).check(script_required=False)
    assert [(one.path, one.code) for one in caught.value.problems] == [
        ("baseImageRegistry", "registry.other")
    ]
