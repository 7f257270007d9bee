"""How does a test ask in the Open Inference Protocol?"""

import json

import numpy as np


def post(server, path, value, **headers):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return server.ask("POST", path, body, **headers)


def rows(values, **more):
    return {
        "inputs": [{"name": "x", "shape": list(np.shape(values)), "datatype": "FP32", "data": values}],
        **more,
    }
