"""edgetender-scoring: serves a model's entry script over HTTP, by the Azure ML scoring contract."""

__version__ = "0.1.0"
