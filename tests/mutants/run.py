"""`python -m tests.mutants.run [NAME…]`: builds each mutant beside the true sources, demands that tests fail.

The true sources go first, through all the tests that are used: a test that fails anyway proves nothing.
Everything is built below target/mutants, in one tree that is patched and restored, so that builds are small.

Exit code 0: every mutant was killed by every test named for it. 1: one survived. 2: the proof is broken.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from pathlib import Path

from tests.mutants.mutants import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
WORK = ROOT / "target" / "mutants"
TREE = WORK / "tree"
ENGINE = TREE / "python" / "loadgen" / f"_engine{sysconfig.get_config_var('EXT_SUFFIX')}"
CARGO = {
    "CARGO_TARGET_DIR": str(WORK / "cargo"),
    # Quick to build again, and nearly as quick to run.
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_INCREMENTAL": "true",
    "CARGO_PROFILE_RELEASE_DEBUG": "0",
    "PYO3_PYTHON": sys.executable,
    "PYO3_BUILD_EXTENSION_MODULE": "1",
}


Sources = dict[Path, bytes]


class Broken(Exception):
    """Nothing can be said about the mutants."""


def read_sources() -> Sources:
    """The true sources, read once: whoever edits them meanwhile must not take part in the proof."""
    wanted = {Path("Cargo.toml"), Path("Cargo.lock")}
    for folder in ("rust/engine", "rust/python", "rust/target", "python/loadgen"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix in {".rs", ".toml", ".py", ".pyi"}:
                wanted.add(path.relative_to(ROOT))
    return {path: (ROOT / path).read_bytes() for path in wanted}


def lay_out(sources: Sources) -> None:
    """Into the tree. A file that is there and the same keeps its time, so that cargo has little to do."""
    for path in list(TREE.rglob("*")):
        if path.is_file() and path != ENGINE and path.relative_to(TREE) not in sources:
            path.unlink()
    for relative, text in sources.items():
        copy = TREE / relative
        if not copy.exists() or copy.read_bytes() != text:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(text)


def apply(mutant: Mutant) -> None:
    for patch in mutant.patches:
        path = TREE / patch.file
        text = path.read_text()
        found = text.count(patch.old)
        if found != 1:
            raise Broken(f"{mutant.name}: {patch.file} has {found} places instead of 1 with: {patch.old}")
        path.write_text(text.replace(patch.old, patch.new))


def build() -> None:
    command = ["cargo", "build", "--release", "--locked", "--quiet", "--package", "loadgen-python"]
    done = subprocess.run(
        command, cwd=TREE, env=os.environ | CARGO, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Broken(f"the build failed\n{done.stderr}")
    # A new file, not a new content: another process may have the old one mapped.
    ENGINE.unlink(missing_ok=True)
    shutil.copyfile(WORK / "cargo" / "release" / "lib_engine.so", ENGINE)


def run_tests(tests: list[str]) -> tuple[set[str], set[str], str]:
    """(passed, failed, output). A test that is parametrised goes by each of its names."""
    environment = os.environ | {"PYTHONPATH": str(TREE / "python"), "PYTHONDONTWRITEBYTECODE": "1"}
    where = "import loadgen, loadgen._engine as e; print(loadgen.__file__, e.__file__)"
    found = subprocess.check_output([sys.executable, "-P", "-c", where], env=environment, text=True).split()
    if not all(Path(path).is_relative_to(TREE) for path in found):
        raise Broken(f"the tests would run on {found}, not on the mutant")
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "--tb=short", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise Broken(f"the tests could not be run\n{done.stdout}{done.stderr}")
    outcome = {
        word: set(re.findall(rf"^{word} (\S+)", done.stdout, re.MULTILINE)) for word in ("PASSED", "FAILED")
    }
    return outcome["PASSED"], outcome["FAILED"], done.stdout


def survivors(mutant: Mutant, failed: set[str]) -> list[str]:
    """The tests that did not notice. Of a parametrised test, one case is enough."""
    return [
        test
        for test in mutant.tests
        if not any(name.partition("[")[0] == test or name == test for name in failed)
    ]


def first_error(output: str) -> str:
    found = re.search(r"^E +(.+)$", output, re.MULTILINE)
    return found[1][:120] if found else "no assertion"


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def prove(mutants: list[Mutant]) -> int:
    begun = time.monotonic()
    sources = read_sources()
    lay_out(sources)
    build()
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    passed, failed, output = run_tests(tests)
    if failed or not passed:
        raise Broken(f"the true sources fail {sorted(failed)}: {first_error(output)}")
    say(f"the true sources pass {len(passed)} tests, {time.monotonic() - begun:.0f} s")
    verdicts = Counter(judge(mutant, sources) for mutant in mutants)
    say(f"{verdicts['killed']} of {len(mutants)} mutants killed")
    return 2 if verdicts["broken"] else 1 if verdicts["alive"] else 0


def judge(mutant: Mutant, sources: Sources) -> str:
    """Build one, run its tests, tell. One that cannot be built says nothing about the others."""
    begun = time.monotonic()
    try:
        lay_out(sources)
        apply(mutant)
        build()
        _, failed, output = run_tests(list(mutant.tests))
    except Broken as error:
        verdict, words = "broken", str(error)
    else:
        unnoticed = survivors(mutant, failed)
        verdict = "alive" if unnoticed else "killed"
        words = f"SURVIVED {', '.join(unnoticed)}" if unnoticed else f"killed: {first_error(output)}"
    say(f"{mutant.name:<22}{time.monotonic() - begun:>4.0f} s  {words}")
    return verdict


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(mutant.name for mutant in MUTANTS))
    names = parser.parse_args().names
    unknown = set(names) - {mutant.name for mutant in MUTANTS}
    if unknown:
        parser.error(f"no such mutant: {', '.join(sorted(unknown))}")
    try:
        return prove([mutant for mutant in MUTANTS if not names or mutant.name in names])
    except Broken as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
