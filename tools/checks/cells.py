"""Check what ruff cannot see: the size of cells and functions, names that cross a wall, traces of a test.

    python tools/checks/cells.py

Lines of a function are those of its body: the signature with its comments is documentation, and so is the
docstring.
"""
import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FUNCTION, CELL, CLASS, TARGETS, NOTEBOOK = 25, 25, 40, 2, 60
Def = ast.FunctionDef | ast.AsyncFunctionDef


def body_lines(node: Def) -> int:
    "Count the lines of a function's body without its docstring."
    body = node.body[1:] if ast.get_docstring(node) is not None and len(node.body) > 1 else node.body
    return body[-1].end_lineno - body[0].lineno + 1


def cell_lines(source: str, tree: ast.Module) -> int:
    "Count the lines of a cell without directives, blank lines, comment lines, signatures and docstrings."
    skip: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, (*Def.__args__, ast.ClassDef)) and ast.get_docstring(node) is not None:
            skip |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
        if isinstance(node, Def.__args__):
            skip |= set(range(node.lineno + 1, node.body[0].lineno))
    lines = enumerate(source.splitlines(), 1)
    return sum(1 for i, line in lines if i not in skip and line.strip() and not line.lstrip().startswith("#"))


def crowded(node: ast.AST) -> str:
    "Say what is wrong with a line that does several things."
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
        targets = [t for t in node.targets if isinstance(t, ast.Tuple)]
        constants = all(isinstance(v, ast.Constant) for v in node.value.elts)
        if any(len(t.elts) > TARGETS for t in targets) and not constants:
            return "assigns three or more values in one line"
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        inside = [n for n in ast.walk(node) if n is not node]
        if sum(isinstance(n, (ast.ListComp, ast.SetComp, ast.DictComp)) for n in inside) > 1:
            return "holds comprehensions within a comprehension"
    if isinstance(node, ast.IfExp) and sum(isinstance(n, ast.IfExp) for n in ast.walk(node)) > 2:
        return "chains conditional expressions"
    return ""


def left_behind(tree: ast.Module) -> Iterator[int]:
    "Yield lines that change the environment for the notebooks that are tested after this one."
    for node in tree.body:
        for target in node.targets if isinstance(node, ast.Assign) else []:
            if isinstance(target, ast.Subscript) and ast.unparse(target.value) == "os.environ":
                yield node.lineno


def faults(name: str, source: str) -> Iterator[str]:
    "Yield what is wrong with one cell."
    if re.search(r"^\s*[%!]", source, re.M):
        return
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, Def.__args__) and (n := body_lines(node)) > FUNCTION:
            yield f"{name}: {node.name} has a body of {n} lines; at most {FUNCTION}"
        if text := crowded(node):
            line = source.splitlines()[node.lineno - 1].strip()
            yield f"{name}: line {node.lineno} of the cell {text}: {line[:70]}"
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rs_sr"):
            private = [a.name for a in node.names if a.name.startswith("_") and not a.name.startswith("__")]
            if private:
                yield f"{name}: imports the private {', '.join(private)} of {node.module}"
    for line in left_behind(tree):
        yield f"{name}: line {line} of the cell sets an environment variable for good; use mock.patch.dict"
    limit = CLASS if any(isinstance(n, ast.ClassDef) for n in tree.body) else CELL
    facade = "index.ipynb" in name  # its cells are lists of names
    if (n := cell_lines(source, tree)) > limit and not facade:
        first = next(line for line in source.splitlines() if not line.startswith("#|"))
        yield f"{name}: a cell of {n} lines; at most {limit}: {first[:60]}"


def main() -> None:
    "Print all faults; exit with 1 if there are any."
    found = []
    for path in sorted((ROOT / "nbs").rglob("[!_.]*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        name = path.relative_to(ROOT).as_posix()
        if len(cells) > NOTEBOOK:
            found.append(f"{name}: {len(cells)} cells; at most {NOTEBOOK}")
        for i, cell in enumerate(cells):
            if cell["cell_type"] == "code":
                found += faults(f"{name} [{i}]", "".join(cell["source"]))
    for path in sorted((ROOT / "tools").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        found += [f for f in faults(name, path.read_text(encoding="utf-8")) if "a cell of" not in f]
    print("\n".join(found) or "cells and functions keep their limits, and no private name crosses a wall")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
