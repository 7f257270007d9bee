"""Small ONNX models to package; the caller has made sure that onnx is here."""

from pathlib import Path


def _save(path: Path, nodes, inputs, outputs, constants) -> Path:
    import onnx
    from onnx import helper, numpy_helper

    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*one) for one in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, str(path))
    return path


def mlp(path: Path) -> Path:
    """Rows of ten features to three probabilities; a constant part that optimisation folds."""
    import numpy as np
    from onnx import TensorProto, helper

    random = np.random.default_rng(1)
    constants = {
        "w0": random.normal(size=(10, 16)).astype(np.float32),
        "w1": random.normal(size=(16, 3)).astype(np.float32),
        "half": np.array([0.5], np.float32),
    }
    nodes = [
        helper.make_node("Mul", ["w1", "half"], ["w2"]),
        helper.make_node("MatMul", ["x", "w0"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "w2"], ["c"]),
        helper.make_node("Softmax", ["c"], ["y"], axis=-1),
    ]
    floats = TensorProto.FLOAT
    return _save(path, nodes, [("x", floats, ["n", 10])], [("y", floats, ["n", 3])], constants)


def convolution(path: Path) -> Path:
    """An image to features; on x86 its optimised layout holds for one vector width only."""
    import numpy as np
    from onnx import TensorProto, helper

    random = np.random.default_rng(2)
    constants = {
        "w0": random.normal(size=(16, 3, 3, 3)).astype(np.float32),
        "w1": random.normal(size=(16, 16, 3, 3)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["a"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w1"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["c"], ["y"]),
    ]
    floats = TensorProto.FLOAT
    return _save(path, nodes, [("x", floats, [1, 3, 8, 8])], [("y", floats, [1, 16, 1, 1])], constants)


def sum_and_difference(path: Path) -> Path:
    """Two inputs, two outputs, in whole numbers."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Add", ["a", "b"], ["sum"]),
        helper.make_node("Sub", ["a", "b"], ["difference"]),
    ]
    whole = TensorProto.INT64
    ins, outs = ([(name, whole, ["n", 2]) for name in names] for names in (("a", "b"), ("sum", "difference")))
    return _save(path, nodes, ins, outs, {})
