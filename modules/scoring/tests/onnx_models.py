"""Which models do the tests serve? Made with the onnx package, small, each with one thing about it."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper


def save(path, nodes, inputs, outputs, constants=()):
    """Write a model; inputs and outputs are (name, type, shape)."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*one) for one in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
    return path


def mlp(path: Path, features: int = 10) -> Path:
    """Rows of features to three probabilities."""
    random = np.random.default_rng(1)
    weights = [random.normal(size=size).astype(np.float32) for size in ((features, 64), (64, 3))]
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "w1"], ["c"]),
        helper.make_node("Softmax", ["c"], ["y"], axis=-1),
    ]
    constants = [("w0", weights[0]), ("w1", weights[1])]
    return save(path, nodes, [("x", T.FLOAT, ["n", features])], [("y", T.FLOAT, ["n", 3])], constants)


def sum_and_difference(path: Path) -> Path:
    """Two inputs, two outputs, in whole numbers."""
    nodes = [
        helper.make_node("Add", ["a", "b"], ["sum"]),
        helper.make_node("Sub", ["a", "b"], ["difference"]),
    ]
    ins = [("a", T.INT64, ["n", 2]), ("b", T.INT64, ["n", 2])]
    outs = [("sum", T.INT64, ["n", 2]), ("difference", T.INT64, ["n", 2])]
    return save(path, nodes, ins, outs)


def text(path: Path) -> Path:
    """Texts that come back as they are."""
    nodes = [helper.make_node("Identity", ["t"], ["u"])]
    return save(path, nodes, [("t", T.STRING, ["n"])], [("u", T.STRING, ["n"])])


def over_rows(path: Path) -> Path:
    """Softmax over the rows: its first axis is free, and yet rows meet."""
    nodes = [helper.make_node("Softmax", ["x"], ["y"], axis=0)]
    return save(path, nodes, [("x", T.FLOAT, ["n", 3])], [("y", T.FLOAT, ["n", 3])])


def fixed(path: Path) -> Path:
    """One row, never more."""
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    return save(path, nodes, [("x", T.FLOAT, [1, 3])], [("y", T.FLOAT, [1, 3])])


def slow(path: Path, always: int = 0) -> Path:
    """As many multiplications as the input says, and *always* more: native code that only the runtime itself can end."""
    size = 64
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["state", "w"], ["next"]),
            helper.make_node("Identity", ["go_in"], ["go_out"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("at", T.INT64, []),
            helper.make_tensor_value_info("go_in", T.BOOL, []),
            helper.make_tensor_value_info("state", T.FLOAT, [size, size]),
        ],
        [
            helper.make_tensor_value_info("go_out", T.BOOL, []),
            helper.make_tensor_value_info("next", T.FLOAT, [size, size]),
        ],
    )
    nodes = [
        helper.make_node("Squeeze", ["times"], ["asked"]),
        helper.make_node("Add", ["asked", "always"], ["trips"]),
        helper.make_node("Loop", ["trips", "go", "w"], ["end"], body=body),
        helper.make_node("ReduceSum", ["end"], ["y"], keepdims=0),
    ]
    constants = [
        ("w", np.eye(size, dtype=np.float32)),
        ("always", np.array(always, np.int64)),
        ("go", np.array(True)),
    ]
    return save(path, nodes, [("times", T.INT64, [1])], [("y", T.FLOAT, [])], constants)


def noisy(path: Path) -> Path:
    """What comes in, and noise on it: no answer is like another."""
    nodes = [
        helper.make_node("RandomNormalLike", ["x"], ["noise"]),
        helper.make_node("Add", ["x", "noise"], ["y"]),
    ]
    return save(path, nodes, [("x", T.FLOAT, ["n", 3])], [("y", T.FLOAT, ["n", 3])])


def picky(path: Path) -> Path:
    """Ones in the shape that the input says: zeros and -2 are no shape."""
    nodes = [
        helper.make_node("Squeeze", ["x", "axis"], ["flat"]),
        helper.make_node("Sub", ["flat", "two"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("Add", ["zeros", "one"], ["y"]),
    ]
    constants = [("axis", np.array([0])), ("two", np.array([1, 2])), ("one", np.array(1, np.float32))]
    return save(path, nodes, [("x", T.INT64, [1, 2])], [("y", T.FLOAT, ["a", "b"])], constants)


def cnn(path: Path) -> Path:
    """Pictures of 3 x 32 x 32 to ten numbers: convolutions, which cards plan anew for each size of a batch."""
    random = np.random.default_rng(2)
    sizes = [(16, 3, 3, 3), (32, 16, 3, 3), (32, 10)]
    weights = [random.normal(scale=0.1, size=size).astype(np.float32) for size in sizes]
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["a"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w1"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("GlobalAveragePool", ["d"], ["e"]),
        helper.make_node("Flatten", ["e"], ["f"]),
        helper.make_node("MatMul", ["f", "w2"], ["y"]),
    ]
    constants = [(f"w{at}", weight) for at, weight in enumerate(weights)]
    return save(path, nodes, [("x", T.FLOAT, ["n", 3, 32, 32])], [("y", T.FLOAT, ["n", 10])], constants)
