"""Locust files: `read` rewrites one. Its text stays the user's own wherever nothing has to change."""

from loadgen.convert.locustfile.rewriting import read

__all__ = ["read"]
