"""What is every document that comes from outside made of?"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Wire(BaseModel):
    """Strict on keys: what is not understood is refused, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
