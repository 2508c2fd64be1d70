#!/usr/bin/env python3
"""Instructions that a training step executes in unroll's own code, against those kept in instructions.json.

    bench/instructions.py              counts and compares: status 1 where a count grew by more than 5 %
    bench/instructions.py --update     keeps the new counts
    bench/instructions.py --build DIR  the build folder to take the library from (default: build)

A count is of one step after the first three. Code of other libraries (matrix products, malloc) is left out, as it
depends on the processor; what is counted does not: the library's own objects are compiled for every x86-64, its AVX2
kernels are chosen by UNROLL_ISA (valgrind knows no AVX-512), the benchmark's file is compiled for x86-64-v3, and
OpenBLAS is told to be the one for Haswell, on which choices between libraries depend.

The cells that a user writes (W1, W3) must cost what the built-in ones (W2, W4) do, within 3 %.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
KEPT = ROOT / "bench" / "instructions.json"
SLACK, PAIR_SLACK = 0.05, 0.03
SHOWN = 0.002  # functions below this share of a step are kept in one sum
WORKLOADS = {"W1": ("XS", 10), "W2": ("XS", 10), "W3": ("XS", 10), "W4": ("XS", 10), "W5": ("-", 4)}
REGRESSION, PAIRS = ("W4", "W5"), (("W1", "W2"), ("W3", "W4"))


def self_costs(path, program):
    """Instructions by function of the object `program`, from a file of callgrind's (format: valgrind's manual)."""
    names = {"ob": {}, "fn": {}}

    def name(kind, text):
        match = re.fullmatch(r"\((\d+)\)(?: (.*))?", text)
        if not match:
            return text
        if match[2] is not None:
            names[kind][match[1]] = match[2]
        return names[kind][match[1]]

    costs, object_file, function, of_a_call = {}, "", "", False
    for line in path.read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and key in ("ob", "cob"):
            text = name("ob", value)
            object_file = text if key == "ob" else object_file
        elif equals and key in ("fn", "cfn"):
            text = name("fn", value)
            function = text if key == "fn" else function
        elif key == "calls":
            of_a_call = True  # the next line is what the called function cost
        elif line[:1] in "0123456789+-*" and line:
            if not of_a_call and object_file == program:
                plain = re.sub(r"'\d+$| \[clone .*\]$", "", function)
                costs[plain] = costs.get(plain, 0) + int(line.split()[1])
            of_a_call = False
    return costs


def count(program, workload):
    size, steps = WORKLOADS[workload]
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_L2_SIZE"}
    environment.update(UNROLL_ISA="avx2", OPENBLAS_CORETYPE="Haswell", DNNL_MAX_CPU_ISA="AVX2", OMP_NUM_THREADS="1",
                       OPENBLAS_NUM_THREADS="1")
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--collect-atstart=no",
                   "--toggle-collect=counted_steps", str(program), workload, size, str(steps)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode != 0 or not out.exists():
            sys.exit(f"{' '.join(command)}\n{done.stderr}\nfailed")
        functions = {f: n // steps for f, n in self_costs(out, str(program)).items()}
    total = sum(functions.values())
    shown = {f: n for f, n in sorted(functions.items(), key=lambda item: -item[1]) if n >= SHOWN * total}
    shown["(others)"] = total - sum(shown.values())
    return {"total": total, "functions": shown}


def changes(before, after):
    """The functions that changed most, as lines."""
    of = {f: after.get(f, 0) - before.get(f, 0) for f in before.keys() | after.keys()}
    most = sorted(of.items(), key=lambda item: -abs(item[1]))[:6]
    return [f"    {d:+10d}  {f[:150]}" + ("  (new)" if f not in before else "  (gone)" if f not in after else "")
            for f, d in most if d != 0]


def compare(kept, counts):
    grown = False
    for workload in REGRESSION:
        before, after = kept["counts"][workload], counts[workload]
        ratio = after["total"] / before["total"]
        bad = ratio > 1 + SLACK
        verdict = "GREW" if bad else "fell: keep it with --update" if ratio < 1 - SLACK else "ok"
        print(f"{workload}  {after['total']:9d} instructions a step, kept {before['total']:9d}: {ratio:.3f}  {verdict}")
        if verdict != "ok":
            print("\n".join(changes(before["functions"], after["functions"])))
        grown |= bad
    return grown


def compare_pairs(counts):
    apart = False
    for own, built_in in PAIRS:
        ratio = counts[own]["total"] / counts[built_in]["total"]
        bad = abs(ratio - 1) > PAIR_SLACK
        print(f"{own} / {built_in}  {counts[own]['total']} / {counts[built_in]['total']} instructions a step: {ratio:.4f}"
              f"  {'MORE THAN 3 % APART' if bad else 'ok'}")
        if bad:
            print("\n".join(changes(counts[built_in]["functions"], counts[own]["functions"])))
        apart |= bad
    return apart


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="keep the new counts")
    parser.add_argument("--build", default=str(ROOT / "build"), help="build folder (default: build)")
    options = parser.parse_args()
    build = pathlib.Path(options.build).resolve()
    for tool in ("valgrind", "cmake"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is not installed")
    if not (build / "CMakeCache.txt").exists():
        sys.exit(f"{build} is not there; configure first: cmake --preset release")
    subprocess.run(["cmake", "--build", build, "--target", "sequence_counted"], check=True, stdout=subprocess.DEVNULL)
    program = build / "bench" / "sequence_counted"

    compiler = (re.search(r"^CMAKE_CXX_COMPILER:\w+=(.*)$", (build / "CMakeCache.txt").read_text(), re.M) or ["", "c++"])[1]
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    counts = {w: count(program, w) for w in WORKLOADS}
    apart = compare_pairs(counts)
    if options.update:
        KEPT.write_text(json.dumps({"compiler": version, "counts": {w: counts[w] for w in REGRESSION}}, indent=1) + "\n")
        print(f"kept in {KEPT}: " + ", ".join(f"{w} {counts[w]['total']}" for w in REGRESSION))
        return int(apart)
    kept = json.loads(KEPT.read_text())
    if kept["compiler"] != version:
        print(f"The counts kept are of {kept['compiler']}, this is {version}: not compared")
        return int(apart)
    return int(compare(kept, counts) or apart)


if __name__ == "__main__":
    sys.exit(main())
