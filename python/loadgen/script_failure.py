"""Words for a script that could not be loaded: the user's own line and the remedy, never a traceback."""

from __future__ import annotations

import inspect
import linecache
import re
import sys
import sysconfig
from difflib import get_close_matches
from pathlib import Path
from types import TracebackType

from loadgen.errors import LoadgenError, Mistake, PlanError, UsageError
from loadgen.script_source import enclosing_def

# Where what is imported and what is installed have different names.
_PACKAGES = {
    "bs4": "beautifulsoup4",
    "Crypto": "pycryptodome",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "grpc": "grpcio",
    "jose": "python-jose",
    "jwt": "PyJWT",
    "PIL": "pillow",
    "psycopg2": "psycopg2-binary",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}
_OURS = str(Path(__file__).parent)


def shown(path: str | Path) -> str:
    """A path as the user would type it: below the working folder without that."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def explain_syntax(error: SyntaxError, path: Path, source: str) -> UsageError:
    """The place, the line and a caret below what is wrong in it."""
    file = error.filename or str(path)
    line, column = error.lineno or 1, error.offset or 1
    text = error.text or linecache.getline(file, line)
    shown_line = text.rstrip().expandtabs(4)
    stripped = shown_line.lstrip()
    lines = [f"{shown(file)}:{line}:{column}: {error.msg}"]
    if stripped:
        before = len(text[: column - 1].expandtabs(4)) - (len(shown_line) - len(stripped))
        lines += [f"  {stripped}", f"  {' ' * max(0, before)}^"]
    hint = None
    if "outside async function" in (error.msg or ""):
        name = enclosing_def(source, line)
        hint = f'{name} must be "async def {name}(...)"' if name else 'Write "async def" instead of "def".'
    return UsageError("\n".join(lines), hint=hint)


def explain(error: BaseException, path: Path) -> LoadgenError:
    """What went wrong while the script was executed."""
    place = _place(error.__traceback__, path)
    at, code = f"{shown(place[0])}:{place[1]}", linecache.getline(place[0], place[1]).strip()
    if isinstance(error, PlanError):
        return PlanError([Mistake(f"{at}: {mistake.place}", mistake.text) for mistake in error.mistakes])
    if isinstance(error, LoadgenError):
        # Of whatever kind it is: the script could not be used.
        return UsageError(f"{at}: {error.message}", hint=error.hint)
    text, hint = next(iter(str(error).splitlines()), ""), None
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    if isinstance(error, SystemExit):
        what = "the script ended itself (sys.exit) while it was loaded"
        hint = 'Put what is not for loadgen below: if __name__ == "__main__":'
    elif isinstance(error, ImportError):
        what, hint = _explain_import(error, path)
    elif isinstance(error, TypeError):
        hint = _explain_argument(text)
    elif text and _is_ours(error.__traceback__):
        what = text  # what our own code refuses, it refuses in words that are meant for the user
    return UsageError("\n".join([f"{at}: {what}", *([f"  {code}"] if code else [])]), hint=hint)


def _frames(traceback: TracebackType | None) -> list[tuple[str, int]]:
    frames = []
    while traceback is not None:
        frames.append((traceback.tb_frame.f_code.co_filename, traceback.tb_lineno))
        traceback = traceback.tb_next
    return frames


def _place(traceback: TracebackType | None, path: Path) -> tuple[str, int]:
    """The innermost line in a file of the user's: the script, or one that it imports from its folder."""
    installed = tuple(sysconfig.get_paths()[name] for name in ("purelib", "platlib", "stdlib", "platstdlib"))
    for file, line in reversed(_frames(traceback)):
        near = file == str(path) or file.startswith(f"{path.parent}/")
        if near and (file == str(path) or not file.startswith((*installed, _OURS))):
            return file, line
    return str(path), 1


def _is_ours(traceback: TracebackType | None) -> bool:
    return _frames(traceback)[-1][0].startswith(_OURS)


def _explain_import(error: ImportError, path: Path) -> tuple[str, str | None]:
    """(what, remedy)"""
    name = error.name or ""
    text = str(error)
    if "attempted relative import" in text:
        return "a script is no package, so it has nothing to import from relatively", (
            "Write the import without the dots: files beside the script can be imported by name."
        )
    if isinstance(error, ModuleNotFoundError):
        return f'there is no module "{name}"', _find_module(name, path)
    missing = re.search(r"cannot import name '(\w+)'", text)
    if not missing or not name:
        return f"{type(error).__name__}: {text}", None
    what = f'{name} has no "{missing[1]}"'
    beside = path.parent / f"{name.partition('.')[0]}.py"
    if name.partition(".")[0] in sys.stdlib_module_names and beside.exists():
        return what, f"Python's own {name} comes before {shown(beside)}: rename the file."
    names = [one for one in dir(sys.modules.get(name)) if not one.startswith("_")]
    return what, _did_you_mean(missing[1], names)


def _find_module(name: str, path: Path) -> str | None:
    top, dot, _ = name.partition(".")
    if dot and top in sys.modules:
        return f"{top} is there, but has no such part."
    beside = [one.stem for one in path.parent.glob("*.py") if one != path]
    elsewhere = Path.cwd() / f"{top}.py"
    if elsewhere.exists() and elsewhere.parent != path.parent:
        return f"{top}.py is in {elsewhere.parent}, but a script imports from its own folder, {path.parent}."
    near = get_close_matches(top, [*beside, *sys.stdlib_module_names, "loadgen"], n=1, cutoff=0.75)
    if near:
        return f'Did you mean "{near[0]}"?'
    if top in sys.stdlib_module_names or not top:
        return None  # of another Python, or of one that was built without it
    return f"If it is a package: {shown(sys.executable)} -m pip install {_PACKAGES.get(top, top)}"


def _explain_argument(text: str) -> str | None:
    """The nearest to an argument that one of our own does not have."""
    match = re.search(r"[Uu]nexpected keyword argument '(\w+)'", text)
    if match is None:
        return None
    from loadgen.plan import Plan
    from loadgen.scenario import scenario

    known = [*Plan.__struct_fields__, *inspect.signature(scenario).parameters]
    return _did_you_mean(match[1], known)


def _did_you_mean(name: str, known: list[str]) -> str | None:
    near = get_close_matches(name, known, n=1)
    return f'Did you mean "{near[0]}"?' if near else None
