#!/usr/bin/env python3
"""The recipes of docs/extending.md: each is a diff, which is applied to a copy of the tree, compiled and run.

    tests/extending.py --work DIR --compiler C++ --flags "..." --libraries "..." [RECIPE...]

A recipe is a chapter ("## A new cell") with ```diff blocks, as `git diff` and `patch -p1` write and read them. Compiled are
the .cpp files that it adds or changes and, of a header, those that share its first word, in its folder and the one above
(ops/kernels/elementwise_list.hpp: ops/kernels/elementwise_isa.cpp and ops/elementwise.cpp); they are linked before the
library that is there, so they take the place of what is in it. Each
test and program among them is then run, a program by its tests/examples/NAME.cmake. Kernels are those of the compiler's
baseline alone.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIBRARY = ["core", "ops", "nn", "optim", "data"]
COPIED = LIBRARY + ["tests", "examples", "docs"]


def read_recipes(text):
    recipes = {}
    for chapter in re.split(r"^## ", text, flags=re.M)[1:]:
        name = chapter.splitlines()[0]
        diffs = re.findall(r"^```diff\n(.*?)^```$", chapter, flags=re.M | re.S)
        if diffs:
            recipes[name] = "".join(diffs)
    return recipes


def call(command, **options):
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}\nstatus {done.returncode}\n{done.stdout}")


class Recipe:
    def __init__(self, name, diff, options):
        self.name, self.diff, self.options = name, diff, options
        self.tree = options.work / re.sub(r"\W+", "_", name).lower()

    def copy_tree(self):
        shutil.rmtree(self.tree, ignore_errors=True)
        for folder in COPIED:
            shutil.copytree(ROOT / folder, self.tree / folder, ignore=shutil.ignore_patterns("pictures", "mutation"))
        umbrella = self.tree / "include" / "unroll"
        umbrella.mkdir(parents=True)
        for folder in LIBRARY:
            (umbrella / folder).symlink_to(self.tree / folder)
        for header in self.options.umbrella.glob("*.hpp"):
            shutil.copy(header, umbrella)

    def sources(self):
        """The .cpp files to compile: of the library, and each of them a program of its own."""
        changed = [pathlib.PurePosixPath(f) for f in re.findall(r"^\+\+\+ b/(\S+)", self.diff, flags=re.M)]
        library, programs = set(), []
        for file in changed:
            if file.parts[0] in ("tests", "examples"):
                programs += [file] if file.suffix == ".cpp" else []
                continue
            if file.parts[0] not in LIBRARY:
                continue
            if file.suffix == ".cpp":
                library.add(file)
            elif file.suffix == ".hpp":
                word = file.stem.split("_")[0]
                for folder in (file.parent, file.parent.parent):
                    library |= {folder / p.name for p in (self.tree / folder).glob(f"{word}*.cpp")}
        return sorted(library), programs

    def compile(self, source):
        target = self.tree / (str(source).replace("/", "_") + ".o")
        command = [self.options.compiler, *self.options.flags.split(), f"-I{self.tree}/include",
                   f"-I{self.tree}/tests/support", f"-I{self.tree}/examples", "-c", self.tree / source, "-o", target]
        if source.name.endswith("_isa.cpp"):
            command.insert(1, f"-DUNROLL_ISA={self.options.isa}")
        call(command)
        return target

    def run(self):
        self.copy_tree()
        call(["patch", "-p1", "--fuzz=0", "-d", self.tree], input=self.diff)
        library, programs = self.sources()
        if not programs:
            raise RuntimeError("it has neither a test nor a program that could be run")
        objects = [self.compile(source) for source in library]
        for source in programs:
            program = self.tree / source.stem
            main = [self.options.doctest_main] if source.parts[0] == "tests" else []
            call([self.options.compiler, self.compile(source), *objects, *main, "-o", program,
                  *self.options.libraries.split()])
            script = self.tree / "tests/examples" / (source.stem + ".cmake")
            if source.parts[0] == "tests":
                call([program], cwd=self.tree)
            elif script.exists():
                for case in re.search(r"^# cases: (.*)$", script.read_text(), flags=re.M).group(1).split():
                    call(["cmake", "-D", f"program={program}", "-D", f"work={self.tree}/work", "-D", f"case={case}", "-D",
                          f"source={self.tree}", "-P", script])
            else:
                raise RuntimeError(f"{source} has no {script.relative_to(self.tree)}")
        return len(library), len(programs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--umbrella", type=pathlib.Path, required=True, help="the folder of the umbrella headers")
    parser.add_argument("--doctest-main", required=True, help="the object with doctest's main")
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--flags", required=True)
    parser.add_argument("--libraries", required=True)
    parser.add_argument("--isa", required=True, help="the name of the baseline's kernels")
    parser.add_argument("only", nargs="*", help="recipes to try; all when there are none")
    options = parser.parse_args()
    recipes = read_recipes((ROOT / "docs/extending.md").read_text())
    if not recipes:
        sys.exit("docs/extending.md has no recipes")

    def attempt(name):
        try:
            library, programs = Recipe(name, recipes[name], options).run()
            return f"{name}: {library} files of the library compiled, {programs} programs run", True
        except RuntimeError as error:
            return f"{name}: FAILED\n{error}", False

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(attempt, options.only or recipes))
    for text, _ in results:
        print(text)
    return 0 if all(good for _, good in results) else 1


if __name__ == "__main__":
    sys.exit(main())
