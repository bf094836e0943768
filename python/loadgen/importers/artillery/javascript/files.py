"""Which file `require` means, and files that JavaScript reads and writes. It raises nothing: it tells."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "node"
OWN = frozenset(path.stem for path in HERE.glob("*.js"))
_ALIASES = {"path/posix": "path", "fs/promises": "fs_promises", "timers/promises": "timers_promises"}
# Modules of Node's own that cannot be had.
NODES = frozenset(
    {
        *(
            "async_hooks",
            "child_process",
            "cluster",
            "constants",
            "dgram",
            "diagnostics_channel",
            "dns",
            "domain",
        ),
        *("http", "http2", "https", "inspector", "module", "net", "punycode", "readline", "repl", "stream"),
        *(
            "string_decoder",
            "sys",
            "test",
            "tls",
            "trace_events",
            "tty",
            "v8",
            "vm",
            "wasi",
            "worker_threads",
            "zlib",
        ),
    }
)
_ENDINGS = ("", ".js", ".mjs", ".cjs", ".json", "/index.js", "/index.mjs", "/index.json")
_CONDITIONS = ("node", "require", "import", "default")


def resolve(folder: str, name: str) -> str:
    """As JSON: the path and the folder of a file, the name of one of our own modules, or what is wrong."""
    bare = name.removeprefix("node:")
    bare = _ALIASES.get(bare, bare)
    if bare in OWN:
        return json.dumps({"own": bare})
    if name.startswith(("./", "../", "/")) or name in (".", ".."):
        found = _file(Path(os.path.abspath(Path(folder, name))))  # noqa: PTH100 - links keep their folder
        if found is None:
            return _wrong(f"cannot find {name!r}, required in {folder}")
    elif bare.partition("/")[0] in NODES:
        return _wrong(
            f"{bare} is a module of Node's that loadgen does not have: make requests in the flow, "
            "or write the processor in Python (processor: ./FILE.py)"
        )
    else:
        found = _package(Path(folder), name)
        if found is None:
            return _wrong(
                f"{name} is not in any node_modules: install it with npm, bundle the processor into one file "
                f"(npx esbuild FILE --bundle --platform=node --outfile=processor.js), or write it in Python"
            )
    if found.suffix == ".ts":
        return _wrong(typescript(found.name))
    return json.dumps({"path": str(found), "folder": str(found.parent)})


def typescript(name: str) -> str:
    """What is said of a file in TypeScript."""
    built = Path(name).with_suffix(".js").name
    return (
        f"{name} is TypeScript, which loadgen does not compile: "
        f"npx esbuild {name} --bundle --platform=node --outfile={built}"
    )


def _wrong(text: str) -> str:
    return json.dumps({"error": text})


def _file(path: Path) -> Path | None:
    for ending in _ENDINGS:
        one = Path(f"{path}{ending}")
        if one.is_file():
            return one
    main = _manifest(path).get("main") if path.is_dir() else None
    if isinstance(main, str):
        return _file(path / main)
    typed = path.with_suffix(".ts")
    return typed if typed.is_file() else None


def _package(folder: Path, name: str) -> Path | None:
    words = name.split("/")
    length = 2 if name.startswith("@") else 1
    package, inner = "/".join(words[:length]), "/".join(words[length:])
    for above in (folder, *folder.parents):
        place = above / "node_modules" / package
        if place.is_dir():
            return _in_package(place, inner)
    return None


def _in_package(place: Path, inner: str) -> Path | None:
    manifest = _manifest(place)
    target = _exported(manifest.get("exports"), f"./{inner}" if inner else ".")
    if target is not None:
        return _file(place / target)
    if inner:
        return _file(place / inner)
    main = manifest.get("main")
    return _file(place / main if isinstance(main, str) else place / "index")


def _exported(exports: Any, entry: str) -> str | None:
    """What package.json says stands for this entry."""
    if isinstance(exports, str):
        return exports if entry == "." else None
    if isinstance(exports, list):
        return next((found for one in exports if (found := _exported(one, entry)) is not None), None)
    if not isinstance(exports, dict):
        return None
    if any(key.startswith(".") for key in exports):
        if entry in exports:
            return _exported(exports[entry], ".")
        for key, value in exports.items():
            before, star, after = key.partition("*")
            if star and entry.startswith(before) and entry.endswith(after):
                target = _exported(value, ".")
                return target and target.replace("*", entry[len(before) : len(entry) - len(after)])
        return None
    return next(
        (found for one in _CONDITIONS if (found := _exported(exports.get(one), entry)) is not None), None
    )


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "package.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def is_module_package(path: Path) -> bool:
    """Whether the nearest package.json says that its .js files are modules."""
    for above in path.parents:
        if (above / "package.json").is_file():
            return _manifest(above).get("type") == "module"
    return False


def on_files(operation: str, path: str, data: str) -> str:
    """One operation on one file, as JSON."""
    try:
        return json.dumps({"value": _OPERATIONS[operation](Path(path), bytes.fromhex(data))})
    except OSError as error:
        code = {2: "ENOENT", 13: "EACCES", 17: "EEXIST", 20: "ENOTDIR", 21: "EISDIR"}.get(
            error.errno or 0, "EIO"
        )
        return json.dumps({"error": f"{code}: {error.strerror}, {operation} {path!r}", "code": code})


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def _names(path: Path) -> Iterator[str]:
    return (one.name for one in path.iterdir())


_OPERATIONS: dict[str, Callable[[Path, bytes], object]] = {
    "text": lambda path, _: path.read_text(encoding="utf-8", errors="replace"),
    "bytes": lambda path, _: path.read_bytes().hex(),
    "write": lambda path, data: path.write_bytes(data) and None,
    "append": _append,
    "list": lambda path, _: sorted(_names(path)),
    "exists": lambda path, _: path.exists(),
    "make": lambda path, _: path.mkdir(parents=True, exist_ok=True),
    "remove": lambda path, _: path.unlink(),
    "size": lambda path, _: {"size": path.stat().st_size, "isFolder": path.is_dir()},
}
