"""What a Locust file imports, and what its script has to."""

from __future__ import annotations

import ast
import sys

Import = ast.Import | ast.ImportFrom


class Imports:
    """All of a file, wherever they stand."""

    def __init__(self, tree: ast.Module) -> None:
        self.nodes = [node for node in ast.walk(tree) if isinstance(node, Import)]
        self.names = {bound(alias) for node in self.nodes if not is_locust(node) for alias in node.names}
        self._read = read_names(tree)

    def named(self, wanted: set[str]) -> set[str]:
        """As what `module.function` is called in this file."""
        found: set[str] = set()
        for node in self.nodes:
            for alias in node.names:
                if isinstance(node, ast.ImportFrom) and f"{node.module}.{alias.name}" in wanted:
                    found.add(bound(alias))
                elif isinstance(node, ast.Import):
                    found |= {
                        f"{bound(alias)}.{one.rpartition('.')[2]}"
                        for one in wanted
                        if one.rpartition(".")[0] == alias.name
                    }
        return found

    def kept(self, node: Import, text: str, used: set[str]) -> str:
        """An import without what only Locust's words needed."""
        aliases = [alias for alias in node.names if bound(alias) in used or bound(alias) not in self._read]
        if len(aliases) == len(node.names):
            return text
        if not aliases:
            return ""
        left = (
            ast.Import(aliases)
            if isinstance(node, ast.Import)
            else ast.ImportFrom(node.module, aliases, node.level)
        )
        return ast.unparse(left)


def bound(alias: ast.alias) -> str:
    """The name that an import gives."""
    return alias.asname or alias.name.partition(".")[0]


def is_locust(node: Import) -> bool:
    """Whether it is of Locust, or of what Locust stands on."""
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").partition(".")[0] in ("locust", "locust_plugins", "gevent")
    return all(alias.name.partition(".")[0] in ("locust", "locust_plugins", "gevent") for alias in node.names)


def is_standard(node: Import) -> bool:
    """Of Python itself."""
    name = node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name
    return (
        not (isinstance(node, ast.ImportFrom) and node.level)
        and name.partition(".")[0] in sys.stdlib_module_names
    )


def order(node: Import) -> tuple[bool, str]:
    """Where it stands among those of its kind."""
    is_from = isinstance(node, ast.ImportFrom)
    return is_from, (node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name)


def read_names(tree: ast.AST) -> set[str]:
    """Names that are read anywhere."""
    return {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


def bound_names(tree: ast.AST) -> set[str]:
    """Names that are given anywhere."""
    found = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    }
    found |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    found |= {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler))
        and node.name
    }
    return found | {
        bound(alias) for node in ast.walk(tree) if isinstance(node, Import) for alias in node.names
    }
