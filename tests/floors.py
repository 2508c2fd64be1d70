#!/usr/bin/env python3
"""The floors of the house: which folder stands on which, read from the include lines of core, ops, nn, optim and data.

    tests/floors.py            prints the floors, from the ground up; status 1 where a rule is broken

Rules: inside the library includes are relative and name a file that exists; no circle between folders; no target
includes a target above it (unroll::unroll knows neither unroll::data nor unroll::extra, which do not know each other);
nothing in unroll::unroll includes a library that the card does not name; a folder shows at most 26 headers and at most
8 folders; what users include (the umbrella headers' list in CMakeLists.txt, and what that includes) names Node and Record
at most as a forward declaration, but for the one pointer in Variable. For who writes operations, and in no umbrella, are
core/op.hpp, node.hpp, recorder.hpp, reuse.hpp and observer.hpp.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ["core", "ops", "nn", "optim", "data"]
TARGETS = {"data": "unroll::data", "optim/run": "unroll::data", "optim/extra": "unroll::extra"}
ABOVE = {"unroll::unroll": set(), "unroll::data": {"unroll::unroll"}, "unroll::extra": {"unroll::unroll"}}
CARD = re.compile(r"(xtensor|xsimd|xflens|oneapi|sys|sanitizer)/")
MOST_HEADERS, MOST_FOLDERS = 26, 8
UMBRELLA = re.compile(r'list\(FILTER headers EXCLUDE REGEX "(.+)"\)')
DECLARATION = re.compile(r"\s*(struct|class) (Node|Record);|  detail::Node<T>\* node_ = nullptr;$")


def target_of(folder):
    named = [prefix for prefix in TARGETS if folder == prefix or folder.startswith(prefix + "/")]
    return TARGETS[named[0]] if named else "unroll::unroll"


def read_includes(files):
    """Includes between folders, {(from, to): [(file, line number, file)]}, and what is wrong with single lines."""
    edges, wrong = {}, []
    for file in files:
        folder = file.parent.relative_to(ROOT).as_posix()
        for number, line in enumerate(file.read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if not match:
                continue
            place = f"{file.relative_to(ROOT)}:{number}"
            quote, name = match.groups()
            if quote == "<":
                if name.startswith("unroll/"):
                    wrong.append(f"{place}: <{name}>; expected a relative include")
                elif target_of(folder) == "unroll::unroll" and "/" in name and not CARD.match(name):
                    wrong.append(f"{place}: <{name}> in unroll::unroll, which stands on the card's packages alone")
                continue
            included = (file.parent / name).resolve()
            if not included.is_file() or ROOT not in included.parents:
                wrong.append(f'{place}: "{name}" is no file of the library; expected a relative include')
                continue
            other = included.parent.relative_to(ROOT).as_posix()
            if other != folder:
                edges.setdefault((folder, other), []).append(f'{place}: "{name}"')
            mine, its = target_of(folder), target_of(other)
            if mine != its and its not in ABOVE[mine]:
                wrong.append(f'{place}: "{name}" is in {its}, which {mine} must not know')
    return edges, wrong


def nodes_seen_by_users(files):
    """Where a header that users include names Node or Record, and the headers through which they would meet it."""
    pattern = UMBRELLA.search((ROOT / "CMakeLists.txt").read_text())[1].replace("\\\\", "\\")
    name = lambda file: file.relative_to(ROOT).as_posix()
    seen = {f: name(f) for f in files if f.suffix == ".hpp" and not re.search(pattern, name(f))}
    wrong, work = [], list(seen)
    while work:
        file = work.pop()
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if re.search(r"\b(Node|Record)\b", line.split("//")[0]) and not DECLARATION.match(line):
                wrong.append(f"{seen[file]}:{number}: {line.strip()}; expected no node in what users include")
            if match := re.match(r'\s*#\s*include "([^"]+)"', line):
                included = (file.parent / match[1]).resolve()
                if included.is_file() and included not in seen:
                    seen[included] = f"{name(included)} (included by {seen[file]})"
                    work.append(included)
    return wrong


def floors_of(folders, edges):
    """The floors, from the ground up, and the folders left over, which stand in circles."""
    below = {f: {b for a, b in edges if a == f} for f in folders}
    floors, placed = [], set()
    while ready := {f for f in folders if f not in placed and below[f] <= placed}:
        floors.append(sorted(ready))
        placed |= ready
    # What merely stands on a circle is not in one.
    left = set(folders) - placed
    while off := {f for f in left if not any(b == f for a, b in edges if a in left)}:
        left -= off
    return floors, left


def main():
    files = sorted(p for f in FOLDERS for p in (ROOT / f).rglob("*") if p.suffix in (".hpp", ".cpp"))
    folders = sorted({p.parent.relative_to(ROOT).as_posix() for p in files})
    edges, wrong = read_includes(files)
    floors, circle = floors_of(folders, edges)
    for (a, b), lines in sorted(edges.items()):
        if a in circle and b in circle:
            wrong.append(f"{a} and {b} stand in a circle: {lines[0]}" + (f" and {len(lines) - 1} more" if lines[1:] else ""))
    wrong += nodes_seen_by_users(files)
    for folder in sorted({p for f in folders for p in [f, f.split("/")[0]]}):
        headers = len(list((ROOT / folder).glob("*.hpp")))
        inside = len([p for p in (ROOT / folder).iterdir() if p.is_dir()])
        if headers > MOST_HEADERS or inside > MOST_FOLDERS:
            wrong.append(f"{folder}: {headers} headers and {inside} folders; expected at most {MOST_HEADERS} and {MOST_FOLDERS}")

    print("floor  lines  target          folder")
    for number, floor in enumerate(floors):
        for folder in floor:
            lines = sum(len(p.read_text().splitlines()) for p in files if p.parent == ROOT / folder)
            print(f"{number:5}  {lines:5}  {target_of(folder):14}  {folder}")
    for target in ABOVE:
        mine = [p for p in files if target_of(p.parent.relative_to(ROOT).as_posix()) == target]
        print(f"{target}: {len(mine)} files, {sum(len(p.read_text().splitlines()) for p in mine)} lines")
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
