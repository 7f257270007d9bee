"""What is a script served with, where its image holds nothing but Python and the server?"""

GOOD = "def init(): ...\ndef run(data): return data\n"


def test_a_script_is_served_where_neither_numpy_nor_a_runtime_is_installed(serving, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("numpy", "onnxruntime"):
        (bare / f"{name}.py").write_text(f"raise ModuleNotFoundError('no {name} here', name='{name}')")

    with serving(GOOD, PYTHONPATH=str(bare)) as server:
        assert server.score().status == 200
