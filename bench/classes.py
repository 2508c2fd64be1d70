#!/usr/bin/env python3
"""The speed of every class of machines that this one can be held to: sequence_bench as the machine is, and with everything
in it held to AVX2: unroll's kernels, the benchmark's file (a user's code), oneDNN, OpenBLAS with each of its kernels for
AVX2, libxsmm, LibTorch's own kernels. On a machine without AVX-512 the first is its own class, and the only one.

    bench/classes.py                              every workload, one thread and all cores, medians of 15
    bench/classes.py --class avx2 -- --only W4:L  one class; what follows -- goes to sequence_bench
    bench/classes.py --cores Haswell              OpenBLAS' kernels of the class AVX2 (default: Haswell Zen)

Prints each class's table, then a summary: times of the floor, and how many times as long LibTorch and oneDNN take.
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PINS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "ONEDNN_MAX_CPU_ISA", "UNROLL_ISA", "ATEN_CPU_CAPABILITY",
        "LIBXSMM_TARGET")
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "UNROLL_ISA": "avx2", "ATEN_CPU_CAPABILITY": "avx2", "LIBXSMM_TARGET": "hsw"}


def measure(program, pins, arguments):
    environment = {k: v for k, v in os.environ.items() if k not in PINS} | pins
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "rows.json"
        repeats = [] if "--repeats" in arguments else ["--repeats", "15"]
        subprocess.run([program, *repeats, *arguments, "--json", path], env=environment, check=True)
        return json.loads(path.read_text())["rows"]


def line(row):
    def ratio(a, b):
        if row[a] is None or row[b] is None:
            return "      -"
        value = row[a] / row[b]
        return f"{1 / value if row['workload'] == 'W7' else value:7.2f}"  # W7 counts tokens a second
    return (f"{row['workload']:8s} {row['size']:3s} {row['threads']:3d} {ratio('unroll', 'floor')} "
            f"{ratio('libtorch', 'unroll')} {ratio('onednn', 'unroll')}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--class", dest="classes", action="append", choices=["own", "avx2"], help="repeatable")
    parser.add_argument("--cores", nargs="+", default=["Haswell", "Zen"])
    parser.add_argument("--build", default=str(ROOT / "build"), help="build folder (default: build)")
    parser.add_argument("arguments", nargs="*", help="of sequence_bench, after --")
    options = parser.parse_args()
    bench = pathlib.Path(options.build).resolve() / "bench"
    own, avx2 = bench / "sequence_bench", bench / "sequence_bench_avx2"
    has_avx512 = "avx512f" in pathlib.Path("/proc/cpuinfo").read_text()
    classes = options.classes or (["own", "avx2"] if has_avx512 else ["own"])
    subprocess.run(["cmake", "--build", bench.parent, "--target", own.name, avx2.name], check=True,
                   stdout=subprocess.DEVNULL)
    runs = [("as the machine is", own, {})] if "own" in classes else []
    if "avx2" in classes:
        runs += [(f"AVX2, OpenBLAS for {core}", avx2, AVX2 | {"OPENBLAS_CORETYPE": core}) for core in options.cores]
    tables = []
    for name, program, pins in runs:
        print(f"\n==== {name}", flush=True)
        tables.append((name, measure(program, pins, options.arguments)))
    for name, rows in tables:
        print(f"\n{name}\nworkload     thr  unroll/ LibTorch/ oneDNN/\n                   floor  unroll  unroll")
        print("\n".join(map(line, rows)))


if __name__ == "__main__":
    main()
