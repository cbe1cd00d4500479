"""What a reader of the website sees, and a reader of the notebooks does not need.

Tests are folded, the install cell of Colab is left out, badges need no network, classes show fields, and
formulas are MathML. tools/site/build.py calls `for_readers` on every processed notebook, before smalldocs or
Quarto renders it, and `with_mathml` (Quarto has an option for that) and `with_names` on every page of
smalldocs.
"""
import ast
import html
import re
from pathlib import Path

from latex2mathml.converter import convert

ROOT = Path(__file__).resolve().parents[2]
BADGE = re.compile(r"\[!\[Open in Colab\]\([^)]+\)\]\(([^)]+)\)")
COLAB = re.compile(r"[^.\n]*\bOn Colab the next cell [^.;]*(; [^.]*)?\.")
SIGNATURE = re.compile(r"^def (\w+)\(\n *\*args(:\w+)?, \*\*kwargs(:\w+)?\n?\)[^\n]*$", re.M)
FORMULA = re.compile(r'<span class="math (inline|display)">\\[(\[](.*?)\\[)\]]</span>', re.S)
KATEX = re.compile(r"<(link|script)[^>]*/katex@[^>]*>(</script>)?\s*", re.I)
# what latex2mathml does not know, in words that it knows
REWRITTEN = ((r"\\arg\b", r"\\operatorname{arg}"), (r"\\([Bb]ig+[lr]?)\\(?:lVert|rVert|\|)", r"\\\1‖"),
             (r"\\\|", r"\\Vert "), (r"(?<=[a-z])\\_", "_"))


def is_test(node: ast.stmt) -> bool:
    "Tell whether a statement only checks something."
    if isinstance(node, ast.Assert):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return ast.unparse(node.value.func).startswith("test_")
    if isinstance(node, (ast.For, ast.With)):
        fails = isinstance(node, ast.With) and "fail" in ast.unparse(node.items[0].context_expr).lower()
        return fails or is_test(node.body[-1])
    return False


def only_tests(cell: dict) -> bool:
    "Tell whether a code cell shows nothing and ends in a test."
    source = "".join(cell["source"])
    if cell.get("outputs") or re.search(r"^\s*[%!]|^#\|\s*(code-fold|echo)", source, re.M):
        return False
    body = ast.parse(source).body
    return bool(body) and is_test(body[-1])


def fields(path: Path, name: str) -> str:
    "Write the signature of a class from its annotated fields, with their comments."
    source = path.read_text(encoding="utf-8")
    found = (n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.ClassDef) and n.name == name)
    if not (node := next(found, None)):
        return f"class {name}"
    lines = source.splitlines()
    own = [n for n in node.body if isinstance(n, ast.AnnAssign)]
    rows = [line for n in own for line in lines[n.lineno - 1:n.end_lineno]]
    rows = [re.sub(r"^([^#]*[^#,\s])(\s*#|$)", r"\1,\2", row, count=1) for row in rows]
    if not rows:
        return f"class {name}({', '.join(map(ast.unparse, node.bases))})"
    return "\n".join([f"class {name}(", *rows, ")"])


def with_fields(text: str, module: Path) -> str:
    "Replace a signature that says nothing, `*args, **kwargs`, by the fields of the class."
    return SIGNATURE.sub(lambda m: fields(module, m[1]), text) if module.is_file() else text


def module_of(page: Path, top: Path) -> Path:
    "Name the module that a notebook exports: attacks/03_gradient.ipynb is rs_sr/attacks/gradient.py."
    inside = page.relative_to(top)
    return ROOT / "rs_sr" / inside.with_name(re.sub(r"^\d+_", "", inside.stem) + ".py")


def prose(source: str) -> str:
    "Leave out what speaks of the install cell, and make the badge a link."
    source = BADGE.sub(r"[Open in Colab](\1){.colab}", source)
    return COLAB.sub("", source)


def for_readers(nb: dict, module: Path) -> dict:
    "Change a processed notebook into what its page shows."
    cells = [c for c in nb["cells"] if "google.colab" not in "".join(c["source"]) or c["cell_type"] != "code"]
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            cell["source"] = prose(source)
        elif cell["cell_type"] == "code" and module.is_file() and only_tests(cell):
            cell["source"] = f'#| code-fold: true\n#| code-summary: "Tests"\n{source}'
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "text/markdown" in data:
                data["text/markdown"] = with_fields("".join(data["text/markdown"]), module)
    return nb | {"cells": cells}


def mathml(match: re.Match) -> str:
    "Convert one formula; a command that the converter does not know is an error."
    kind, formula = match[1], html.unescape(match[2])
    for old, new in REWRITTEN:
        formula = re.sub(old, new, formula)
    made = convert(formula, display="block" if kind == "display" else "inline")
    if "\\" in made:
        raise ValueError(f"no MathML for {formula!r}: write it in other words, or teach tools/site/reader.py")
    return f'<span class="math {kind}">{made}</span>'


def with_mathml(page: str) -> str:
    "Turn the formulas of a page into MathML, which browsers draw without a script, a font or a network."
    return KATEX.sub("", FORMULA.sub(mathml, page))


def with_names(page: str) -> str:
    "Put the description of a chart in SVG where a screen reader looks for it."
    return page.replace('<svg alt="', '<svg role="img" aria-label="')
