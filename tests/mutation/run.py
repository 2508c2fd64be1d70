#!/usr/bin/env python3
"""Applies the mutations of mutations.txt one by one and checks that the gradient checks call the right tensor wrong.

    python3 tests/mutation/run.py [--build DIR] [--jobs N] [--list] [ID ...]

See README.md beside this file. Status 1 unless every mutation is caught (or is equivalent, as it says).
"""

import argparse
import configparser
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FOLDERS = ["cmake", "core", "ops", "nn", "optim", "data", "tests/mutation"]


class Mutation:
    def __init__(self, name, section):
        self.name = name
        self.file = section["file"]
        self.after = section.get("after", "")
        self.old = section["old"]
        self.new = section.get("new", "")
        self.why = section["why"]
        self.equivalent = section.get("equivalent", "")
        # "check: tensor", several of them with ";"
        self.wrong = [tuple(one.strip().split(": ", 1)) for one in section.get("wrong", "").split(";") if one.strip()]
        if bool(self.wrong) == bool(self.equivalent):
            raise SystemExit(f"[{name}] says neither or both of 'wrong' and 'equivalent'")

    def apply(self, text):
        """The text with the mutation, or None and why not."""
        start = 0
        if self.after:
            if text.count(self.after) != 1:
                return None, f"'after' matches {text.count(self.after)} times, expected once: {self.after}"
            start = text.index(self.after) + len(self.after)
        elif text.count(self.old) != 1:
            return None, f"'old' matches {text.count(self.old)} times, expected once: {self.old}"
        at = text.find(self.old, start)
        if at < 0:
            return None, f"'old' is not behind 'after': {self.old}"
        return text[:at] + self.new + text[at + len(self.old):], ""


def read_mutations(path):
    parser = configparser.RawConfigParser(delimiters=(":",), comment_prefixes=("#",), strict=True)
    parser.read_string(path.read_text())
    return [Mutation(name, parser[name]) for name in parser.sections()]


def copy_tree(source, target):
    """Copies what differs, so that a second run builds only what changed."""
    wanted = {target / "CMakeLists.txt"}
    files = [source / "CMakeLists.txt"]
    for folder in FOLDERS:
        (target / folder).mkdir(parents=True, exist_ok=True)
        if (source / folder).exists():
            files += [f for f in (source / folder).rglob("*") if f.is_file()]
    for f in files:
        to = target / f.relative_to(source)
        wanted.add(to)
        to.parent.mkdir(parents=True, exist_ok=True)
        if not to.exists() or to.read_bytes() != f.read_bytes():
            shutil.copyfile(f, to)
    for folder in FOLDERS:
        for f in (target / folder).rglob("*"):
            if f.is_file() and f not in wanted:
                f.unlink()


class Worker:
    """A copy of the tree with a build of its own."""

    def __init__(self, folder, compilers):
        self.tree = folder / "tree"
        self.build = folder / "build"
        self.compilers = compilers

    def call(self, command, timeout):
        env = dict(os.environ, OPENBLAS_NUM_THREADS="1")
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout,
                              errors="replace", env=env)

    def prepare(self, source):
        copy_tree(source, self.tree)
        command = ["cmake", "-S", str(self.tree / "tests/mutation"), "-B", str(self.build), "-G", "Ninja",
                   "-DCMAKE_BUILD_TYPE=", "-DCMAKE_CXX_FLAGS=-O1"]
        if shutil.which("ccache"):
            command.append("-DCMAKE_CXX_COMPILER_LAUNCHER=ccache")
        done = self.call(command, 600)
        if done.returncode:
            raise SystemExit(done.stdout)

    def make(self):
        return self.call(["cmake", "--build", str(self.build), "--target", "check_gradients", "-j",
                          str(self.compilers)], 3600)

    def check(self):
        """{check: {tensor: verdict}} of what failed; or a string that says what became of the program."""
        try:
            done = self.call([str(self.build / "check_gradients")], 120)
        except subprocess.TimeoutExpired:
            return "hangs"
        if not re.search(r"^\d+ checks, \d+ failed$", done.stdout, re.M):
            return f"crashes (status {done.returncode})"
        failures = {}
        for check, tensors in re.findall(r"^FAIL (\S+): (.*)$", done.stdout, re.M):
            failures[check] = dict(t.rsplit("=", 1) for t in tensors.split(", ") if "=" in t)
        return failures

    def prove_clean(self):
        done = self.make()
        if done.returncode:
            raise SystemExit("The library does not build:\n" + done.stdout[-4000:])
        failures = self.check()
        if failures:
            raise SystemExit(f"The gradient checks fail without a mutation: {failures}")

    def run(self, m):
        """(caught, what happened)."""
        path = self.tree / m.file
        if not path.exists():
            return False, "no such file"
        original = path.read_text()
        mutated, problem = m.apply(original)
        if mutated is None:
            return False, problem
        try:
            path.write_text(mutated)
            done = self.make()
            if done.returncode:
                errors = [line for line in done.stdout.splitlines() if "error" in line]
                return False, "does not compile: " + (errors or ["?"])[0]
            failures = self.check()
        finally:
            path.write_text(original)
        if isinstance(failures, str):
            return False, failures
        named = "; ".join(f"{c}: {', '.join(f'{n}={v}' for n, v in t.items())}" for c, t in failures.items())[:300]
        if m.equivalent:
            return not failures, "no check fails" if not failures else "not equivalent: " + named
        if not failures:
            return False, "SURVIVES"
        for check, tensor in m.wrong:
            if tensor not in failures.get(check, {}):
                return False, f"expected {check}: {tensor}; but {named}"
        verdicts = ", ".join(sorted({failures[check][tensor] for check, tensor in m.wrong}))
        return True, f"{verdicts}; {len(failures)} checks fail"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", help="run these only")
    parser.add_argument("--build", type=Path, default=ROOT / "build-mutation", help="scratch folder")
    parser.add_argument("--source", type=Path, default=ROOT, help="the tree to copy and mutate")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="copies of the tree at work at once")
    parser.add_argument("--list", action="store_true", help="only check that every mutation still applies")
    options = parser.parse_args()
    mutations = read_mutations(HERE / "mutations.txt")
    known = {m.name for m in mutations}
    for name in options.ids:
        if name not in known:
            raise SystemExit(f"no mutation is called {name}")
    chosen = [m for m in mutations if not options.ids or m.name in options.ids]
    stale = 0
    for m in chosen:
        path = options.source / m.file
        problem = m.apply(path.read_text())[1] if path.exists() else "no such file"
        if problem:
            stale += 1
            print(f"{m.name} ({m.file}): {problem}")
        elif options.list:
            print(f"{m.name:42} {m.file:26} {m.why}")
    if options.list or stale:
        print(f"{len(chosen)} mutations, {stale} of which no longer apply")
        return 1 if stale else 0

    # Mutations of one file follow one another in one copy: restoring it costs no build of its own.
    groups = {}
    for m in chosen:
        groups.setdefault(m.file, []).append(m)
    order = sorted(groups.values(), key=lambda g: -len(g) * (4 if g[0].file.endswith(".hpp") else 1))
    jobs = max(1, min(options.jobs, len(order)))
    start = time.time()
    print(f"Building {jobs} cop{'y' if jobs == 1 else 'ies'} of the tree in {options.build} ...", flush=True)
    workers = [Worker(options.build / str(i), 1 if jobs > 1 else (os.cpu_count() or 1)) for i in range(jobs)]
    work = queue.Queue()
    for group in order:
        work.put(group)
    results, problems, lock = {}, [], threading.Lock()

    def labour(worker):
        try:
            worker.prepare(options.source)
            worker.prove_clean()
            while True:
                for m in work.get_nowait():
                    caught, text = worker.run(m)
                    with lock:
                        results[m.name] = (caught, text)
                        word = ("equivalent" if m.equivalent else "caught") if caught else "FAILED"
                        print(f"{word:10} {m.name:42} {m.file:26} {text}", flush=True)
        except queue.Empty:
            pass
        except (SystemExit, Exception) as e:  # noqa: BLE001 - told to the user below
            problems.append(str(e))

    threads = [threading.Thread(target=labour, args=(w,)) for w in workers]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if problems:
        print(problems[0])
        return 1

    print("\n| mutation | file | what is wrong | called wrong |\n|---|---|---|---|")
    for m in chosen:
        caught, text = results[m.name]
        named = "; ".join(f"`{t}` in {c}" for c, t in m.wrong) + f" ({text})"
        last = named if caught and not m.equivalent else f"nothing: {m.equivalent}" if caught else f"**{text}**"
        print(f"| {m.name} | {m.file} | {m.why} | {last} |")
    equivalent = sum(1 for m in chosen if m.equivalent and results[m.name][0])
    caught = sum(1 for m in chosen if results[m.name][0]) - equivalent
    failed = len(chosen) - caught - equivalent
    print(f"\n{len(chosen)} mutations: {caught} caught, {equivalent} equivalent"
          + (f", {failed} FAILED" if failed else "") + f" ({time.time() - start:.0f} s)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
