"""The Jinja environment that all templates are rendered with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from edgekit.codegen.literals import c_bytes, c_double, c_float, c_identifier, c_int8, c_string
from edgekit.resources import resource_dir


@cache
def environment() -> Environment:
    """Return the environment: an undefined name is an error, text stays as the template has it."""
    result = Environment(
        loader=FileSystemLoader(resource_dir("templates")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        newline_sequence="\n",
        # The output is C, CMake and Markdown: nothing there may be escaped as HTML.
        autoescape=False,
    )
    result.filters |= {
        "c_identifier": c_identifier,
        "c_string": c_string,
        "c_float": c_float,
        "c_double": c_double,
        "c_bytes": c_bytes,
        "c_int8": c_int8,
    }
    return result


def render(template: str, context: Mapping[str, Any]) -> str:
    """Return ``template`` (its name below ``templates/``) filled with ``context``.

    Raises
    ------
    jinja2.TemplateError
        If the template is missing or faulty, or uses a name that ``context`` does not have.
    """
    return environment().get_template(template).render(context)
