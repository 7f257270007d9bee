"""Is an ONNX model sound, and what goes beside it? Checked, optimised for its machine, with one answer to compare.

The optimised file is only taken along where it answers as the original does. Parts of it may be laid out for the
processor it was made on: such a file stays behind unless *policy* is native. onnxruntime (extra onnx) is imported
here, late; without it a model is packaged as it is.
"""

from __future__ import annotations

import importlib
import json
import os
import platform as machine
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edgetender.codec import canonical, sha256_hex
from edgetender.errors import ConfigInvalid, Problem
from edgetender.packaging.layer import Entry
from edgetender.packaging.model_store import Model

POLICIES = ("auto", "native", "off")
GOLDEN = "golden.json"
_LAYOUT = 1  # raised when preparation changes, so that what was prepared before is not reused
_NCHWC = b":\x13com.microsoft.nchwc"  # NodeProto.domain: a node that is laid out for one kind of processor
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_TYPES = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16",
    "tensor(int64)": "int64", "tensor(int32)": "int32", "tensor(int16)": "int16", "tensor(int8)": "int8",
    "tensor(uint8)": "uint8", "tensor(bool)": "bool", "tensor(string)": "object",
}  # fmt: skip
_LARGEST_SAMPLE = 1_000_000
_RTOL, _ATOL = 1e-3, 1e-4

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """*beside*: file names and files to go where the model file is; *golden*: request and answer, as JSON."""

    runtime: str
    file: Path
    beside: Mapping[str, Path]
    golden: bytes | None
    labels: Mapping[str, str]

    def entries(self, model: Model, root: str, models: str) -> list[Entry]:
        """What these are in the image: *root*, the application's, *models*, the models' directory."""
        inner = self.file.parent.relative_to(model.path.parent).as_posix()
        folder = os.path.normpath(f"{models}/{model.name}/{model.version}/{inner}")
        found = [Entry(f"{folder}/{name}", path, mode=0o644) for name, path in self.beside.items()]
        return found + (
            [Entry(f"{root}/{GOLDEN}", self.golden, mode=0o644)] if self.golden is not None else []
        )


def prepare(
    model: Model,
    platform: str,
    policy: str,
    place: Path,
    say: Say,
    *,
    sample: Path | None = None,
    accelerator: str = "cpu",
) -> Prepared | None:
    """Check and prepare the model, keeping what is made below *place*. None: onnxruntime is not here.

    Raises ConfigInvalid: the model or the *sample* (a /score request's JSON) is none.
    """
    try:
        ort = importlib.import_module("onnxruntime")
    except ImportError:
        say(f"{model.reference} is packaged as it is: to check and optimise it, install edgetender[onnx]")
        return None
    file = _file(model)
    _check(file)
    labels: dict[str, str] = {}
    beside: dict[str, Path] = {}
    session = _session(ort, file, model)
    feeds = _feeds(session, sample)
    answer = None if feeds is None else _answer(session, feeds, model, given=sample is not None)
    same = _ARCHITECTURES.get(machine.machine()) == platform.split("/")[1]
    if policy != "off" and accelerator == "cpu" and not same:
        say(f"{model.reference} is not optimised: this machine is no {platform.split('/')[1]}")
    elif policy != "off" and accelerator == "cpu":
        made = _optimised(ort, file, model, place / _key(model, ort, policy))
        native = _NCHWC in made.read_bytes()
        if native and policy != "native":
            say(
                f"{model.reference}: its optimised form is for processors like this one only: --optimize native"
            )
        elif answer is not None and not _agrees(ort, made, model, feeds, answer):
            say(f"{model.reference}: its optimised form answers differently, and stays behind")
        else:
            beside[f"{file.stem}.optimized.onnx"] = made
            labels["io.edgetender.optimized-for"] = instruction_set() if native else platform.split("/")[1]
            say(f"{model.reference} optimised by ONNX Runtime {ort.__version__}")
    golden = _golden(session, feeds, answer)
    if golden is not None:
        labels["io.edgetender.golden"] = GOLDEN
    return Prepared(str(ort.__version__), file, beside, golden, labels)


def _file(model: Model) -> Path:
    found = [model.path] if model.path.is_file() else sorted(model.path.rglob("*.onnx"))
    if len(found) != 1:
        text = f"{model.reference} holds {len(found)} .onnx files; without an entry script it is exactly one"
        raise ConfigInvalid((Problem("MODEL", "onnx.files", text),))
    return found[0]


def _check(file: Path) -> None:
    try:
        checker = importlib.import_module("onnx.checker")
    except ImportError:
        return  # ONNX Runtime checks what it loads, in other words
    try:
        checker.check_model(str(file))
    except Exception as error:
        raise _invalid(file, error) from error


def _invalid(file: Path, error: Exception) -> ConfigInvalid:
    return ConfigInvalid(
        (Problem("MODEL", "onnx.invalid", f"{file.name}: {str(error).strip().splitlines()[0]}"),)
    )


def _session(ort: Any, file: Path, model: Model, *, save: Path | None = None, optimise: bool = True) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    levels = ort.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimise else levels.ORT_DISABLE_ALL
    if save is not None:
        options.optimized_model_filepath = str(save)
    try:
        return ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise _invalid(model.path, error) from error


def _optimised(ort: Any, file: Path, model: Model, place: Path) -> Path:
    target = place / "model.onnx"
    if not target.is_file():
        place.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".part-", dir=place) as scratch:
            part = Path(scratch) / "model.onnx"
            _session(ort, file, model, save=part)
            shutil.move(part, target)
    return target


def _key(model: Model, ort: Any, policy: str) -> str:
    return sha256_hex(canonical([_LAYOUT, model.sha256, ort.__version__, policy, instruction_set()]))


def instruction_set() -> str:
    """What of this processor layouts depend on: the x86-64 level, or the architecture."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        flags = set()
    if machine.machine() != "x86_64":
        return machine.machine()
    return "x86-64-v4" if "avx512f" in flags else "x86-64-v3" if "avx2" in flags else "x86-64-v2"


def _feeds(session: Any, sample: Path | None) -> dict[str, Any] | None:
    """The sample's tensors, or made-up ones; None for what cannot be made up."""
    np = importlib.import_module("numpy")
    inputs = session.get_inputs()
    if sample is not None:
        return _sampled(np, inputs, sample)
    feeds = {}
    for one in inputs:
        shape = [size if isinstance(size, int) else 1 for size in one.shape]
        if one.type not in _TYPES or int(np.prod(shape)) > _LARGEST_SAMPLE:
            return None
        kind = np.dtype(_TYPES[one.type])
        if kind.kind == "f":
            feeds[one.name] = np.round(np.random.default_rng(7).random(shape), 4).astype(kind)
        else:
            feeds[one.name] = np.full(shape, "", object) if kind.kind == "O" else np.zeros(shape, kind)
    return feeds


def _sampled(np: Any, inputs: Any, sample: Path) -> dict[str, Any]:
    """Read `{"data": rows}` or bare rows for one input, `{"name": rows, ...}` for several."""
    try:
        content = json.loads(sample.read_text(encoding="utf-8"))
        inner = content["data"] if isinstance(content, dict) and set(content) == {"data"} else content
        given = inner if isinstance(inner, dict) else {inputs[0].name: inner}
        return {one.name: np.asarray(given[one.name], _TYPES[one.type]) for one in inputs}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigInvalid((Problem("--sample", "sample.invalid", f"{sample}: {error!r}"),)) from error


def _answer(session: Any, feeds: dict[str, Any], model: Model, *, given: bool) -> list[Any] | None:
    """What the model says; made-up input may not suit it, a sample that was given must."""
    try:
        found: list[Any] = session.run(None, feeds)
    except Exception as error:
        if given:
            text = f"{model.reference} does not take it: {str(error).splitlines()[0]}"
            raise ConfigInvalid((Problem("--sample", "sample.invalid", text),)) from error
        return None
    return found


def _agrees(ort: Any, made: Path, model: Model, feeds: Any, answer: list[Any]) -> bool:
    np = importlib.import_module("numpy")
    other = _session(ort, made, model, optimise=False).run(None, feeds)
    return all(
        np.allclose(one, two, rtol=_RTOL, atol=_ATOL, equal_nan=True) if np.asarray(one).dtype.kind == "f"
        else np.array_equal(one, two)
        for one, two in zip(answer, other, strict=True)
    )  # fmt: skip


def _golden(session: Any, feeds: dict[str, Any] | None, answer: list[Any] | None) -> bytes | None:
    """Request and answer in the form of /score: rows, by name where there are several."""
    if feeds is None or answer is None or not all(hasattr(one, "tolist") for one in answer):
        return None
    names = [one.name for one in session.get_outputs()]
    rows = {name: one.tolist() for name, one in zip(names, answer, strict=True)}
    request = {name: one.tolist() for name, one in feeds.items()}
    content = {
        "request": {"data": next(iter(request.values()))} if len(request) == 1 else request,
        "response": next(iter(rows.values())) if len(rows) == 1 else rows,
        "tolerance": {"relative": _RTOL, "absolute": _ATOL},
    }
    try:
        return canonical(content)
    except ValueError:  # NaN: nothing to compare with
        return None
