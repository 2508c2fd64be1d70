#!/usr/bin/env python3
"""What -march=native is worth: a step whose user's file (bench/sequence/unroll.cpp) is compiled for the machine at hand,
beside the same compiled for every x86-64, where its `map` lambdas run on SSE2. The library is one and the same; its own
kernels are chosen at run time in both.

    bench/portable.py                   W1 to W4 at M and L
    bench/portable.py W3:XL --repeats 9
    bench/portable.py --build DIR       the build folder (default: build)

In turns, on one thread; time on the processor. Ratios are medians over the repeats, with quartiles.
"""

import argparse
import os
import pathlib
import re
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
STEPS = {"XS": 4000, "S": 400, "M": 40, "L": 6, "XL": 2}


def milliseconds(program, workload, size):
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    environment.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    command = [program, workload, size, str(STEPS[size])]
    text = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    return float(re.search(r"([\d.]+) ms a step", text)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", default=[f"W{w}:{s}" for w in (1, 2, 3, 4) for s in ("M", "L")])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--build", default=str(ROOT / "build"), help="build folder (default: build)")
    options = parser.parse_args()
    build = pathlib.Path(options.build).resolve()
    subprocess.run(["cmake", "--build", build, "--target", "sequence_alone", "sequence_portable"], check=True,
                   stdout=subprocess.DEVNULL)
    native, portable = build / "bench" / "sequence_alone", build / "bench" / "sequence_portable"
    for row in options.rows:
        workload, size = row.split(":")
        pairs = [(milliseconds(native, workload, size), milliseconds(portable, workload, size))
                 for _ in range(options.repeats)]
        ratios = [b / a for a, b in pairs]
        low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else 3 * ratios
        print(f"{row:6s} -march=native {statistics.median(a for a, _ in pairs):9.3f} ms, portable "
              f"{statistics.median(b for _, b in pairs):9.3f} ms: {middle:.2f} [{low:.2f} {high:.2f}]", flush=True)


if __name__ == "__main__":
    main()
