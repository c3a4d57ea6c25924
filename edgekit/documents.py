"""JSON documents, such as the records in a build folder."""

from __future__ import annotations

import json

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of a document: frozen, every number finite, and nothing unknown in it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)


class Document(Part):
    """A whole document; its schema is one of its fields."""

    def to_json(self) -> str:
        """Return the document as text that ends with a line end."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), indent=2, ensure_ascii=False) + "\n"
