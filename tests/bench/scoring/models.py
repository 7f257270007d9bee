"""Which models are measured? Made here, with weights of chance: an MLP, a small CNN, and one of ResNet-18's size."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any


class _Graph:
    """Layers one after the other; `at` is the name of what the last gave."""

    def __init__(self) -> None:
        import numpy as np

        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.at = "x"
        self._random = np.random.default_rng(1)

    def add(self, kind: str, *more: str, **attributes: Any) -> str:
        from onnx import helper

        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, [self.at, *more], [name], **attributes))
        self.at = name
        return name

    def weight(self, *shape: int) -> str:
        import numpy as np
        from onnx import numpy_helper

        name = f"w{len(self.weights)}"
        fan = max(1, int(np.prod(shape[1:])))
        value = self._random.normal(0, (2 / fan) ** 0.5, shape).astype(np.float32)
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def conv(self, given: int, made: int, size: int, stride: int = 1) -> str:
        pad = size // 2
        return self.add(
            "Conv",
            self.weight(made, given, size, size),
            self.weight(made),
            strides=[stride] * 2,
            pads=[pad] * 4,
        )

    def head(self, channels: int, classes: int) -> None:
        self.add("GlobalAveragePool")
        self.add("Flatten")
        self.add("MatMul", self.weight(channels, classes))
        self.add("Softmax", axis=-1)
        self.nodes[-1].output[0] = "y"

    def save(self, path: Path, shape: list[Any], classes: int) -> None:
        import onnx
        from onnx import TensorProto, helper

        ends = [("x", shape), ("y", ["n", classes])]
        infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in ends]
        graph = helper.make_graph(self.nodes, "g", infos[:1], infos[1:], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 9
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, str(path))


def mlp(path: Path) -> None:
    """10-64-32-3, softmax."""
    graph, sizes = _Graph(), (10, 64, 32, 3)
    for given, made in pairwise(sizes):
        graph.add("MatMul", graph.weight(given, made))
        graph.add("Add", graph.weight(made))
        if made != sizes[-1]:
            graph.add("Relu")
    graph.add("Softmax", axis=-1)
    graph.nodes[-1].output[0] = "y"
    graph.save(path, ["n", 10], 3)


def cnn(path: Path) -> None:
    """Images of 3 x 32 x 32 through four convolutions, some 4 MFLOP."""
    graph = _Graph()
    for given, made, stride in ((3, 16, 2), (16, 32, 1), (32, 32, 2), (32, 64, 2)):
        graph.conv(given, made, 3, stride)
        graph.add("Relu")
    graph.head(64, 10)
    graph.save(path, ["n", 3, 32, 32], 10)


def resnet18(path: Path) -> None:
    """ResNet-18's layers: images of 3 x 224 x 224, 1.8 G multiplications, 47 MB."""
    graph = _Graph()
    graph.conv(3, 64, 7, 2)
    graph.add("Relu")
    graph.add("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 64
    for made in (64, 128, 256, 512):
        for stride in (1 if made == channels else 2, 1):
            came = graph.at
            if stride == 2:
                graph.conv(channels, made, 1, stride)
                beside = graph.at
                graph.at = came
            else:
                beside = came
            graph.conv(channels, made, 3, stride)
            graph.add("Relu")
            graph.conv(made, made, 3)
            graph.add("Add", beside)
            graph.add("Relu")
            channels = made
    graph.head(512, 1000)
    graph.save(path, ["n", 3, 224, 224], 1000)
