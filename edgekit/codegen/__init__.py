"""Rendering a firmware project through Jinja."""
