"""Build the website in _docs and README.md from the notebooks, with smalldocs (pure Python, no Quarto needed).

    python tools/build_site.py             the whole site; a warning of smalldocs is an error
    python tools/build_site.py --prepare   only nbs/nbdev.yml and nbs/sidebar.yml, before `nbdev_docs` or `nbdev_preview` with Quarto
"""
import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from nbdev.config import get_config
from nbdev.quarto import refresh_quarto_yml
from nbdev.serve import proc_nbs

ROOT = Path(__file__).resolve().parents[2]
NBS, PROC, SITE = ROOT / "nbs", ROOT / "_proc", ROOT / "_docs"
LIBRARY = ["physics", "data", "metrics", "models", "smoothing", "attacks", "certificates", "training", "evaluation", "study", "plots", "explorer", "benchmark", "commands", "runtime"]  # in the order in which one teaches them
ABOUT = ["contributing", "glossary"]


NAVBAR = {"Start": "tutorials/first_steps.ipynb", "Results": "experiments/study.ipynb", "Leaderboard": "experiments/leaderboard.ipynb",
          "Certificates": "experiments/certificates.ipynb", "Glossary": "glossary.ipynb"}


def order(path: Path) -> tuple:
    "Sort by the `- order:` of the title cell, if there is one, then by name; the opening page of a folder comes first."
    head = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
    found = re.search(r"^- order: (\d+)", head, re.M)
    return path.stem != "index", int(found[1]) if found else 99, path.name


def pages_of(folder: str) -> list[str]:
    "List the pages of a folder, or the one page of that name."
    paths = [NBS / f"{folder}.ipynb"] if (NBS / f"{folder}.ipynb").is_file() else sorted(NBS.glob(f"{folder}/[!_.]*.ipynb"), key=order)
    return [p.relative_to(NBS).as_posix() for p in paths]


def write_sidebar() -> None:
    "List the notebooks section by section: what teaches first, then the library, a chapter a folder."
    contents = [{"text": "Home", "href": "index.ipynb"}]
    for folder in ("tutorials", "experiments", *LIBRARY):
        if pages := pages_of(folder):
            contents.append({"section": folder.capitalize(), "contents": pages})
    contents.append({"section": "About", "contents": [page for name in ABOUT for page in pages_of(name)]})
    navbar = [{"text": text, "href": page} for text, page in NAVBAR.items() if (NBS / page).is_file()]
    sidebar = {"website": {"navbar": {"left": navbar}, "sidebar": {"contents": contents}}}
    (NBS / "sidebar.yml").write_text(yaml.safe_dump(sidebar, sort_keys=False), encoding="utf-8")


def check_cells() -> None:
    "Refuse visible cells that mix an import with other code: the build would run them, without the cells around them."
    bad = []
    for path in sorted(NBS.rglob("[!_.]*.ipynb")):
        sources = ["".join(c["source"]) for c in json.loads(path.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
        if not any(s.startswith("#| default_exp") for s in sources):
            continue
        for source in sources:
            if re.search(r"^#\| *(export|eval: *false)|nbdev_export\(\)|^[%!]", source, re.M):
                continue
            kinds = {type(node) for node in ast.walk(ast.parse(source))}
            if kinds & {ast.Import, ast.ImportFrom} and kinds & {ast.Expr, ast.Assign}:
                first = next(line for line in source.splitlines() if not line.startswith("#|"))
                bad.append(f"{path.relative_to(ROOT)}: {first}")
    if bad:
        sys.exit("put the imports of these cells into a cell of their own:\n  " + "\n  ".join(bad))


def rename_pages() -> None:
    "Give each processed notebook the page name that nbdev's links expect (03_attacks -> attacks): smalldocs reads no `output-file`."
    renamed = {}
    for path in sorted(PROC.rglob("*.ipynb")):
        nb = json.loads(path.read_text(encoding="utf-8"))
        head = "".join(nb["cells"][0]["source"])
        found = re.search(r"^output-file: (\S+)\.html\n", head, re.M)
        nb["cells"][0]["source"] = re.sub(r"^output-file: .*\n", "", head, flags=re.M)
        target = path.with_name(f"{found[1] if found else path.stem}.ipynb")
        if target != path and target.exists():
            sys.exit(f"{path.name} and {target.name} would be the same page; rename one of them")
        path.unlink()
        target.write_text(json.dumps(nb), encoding="utf-8")
        renamed[path.name] = target.name
    names = re.compile("|".join(rf"(?<![\w-]){re.escape(old)}" for old in sorted(renamed, key=len, reverse=True)))
    for path in [*PROC.rglob("*.ipynb"), PROC / "sidebar.yml"]:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            text = json.dumps(relinked(json.loads(text), names, renamed))
        else:
            text = names.sub(lambda m: renamed[m[0]], text)
        path.write_text(text, encoding="utf-8")


def relinked(nb: dict, names: re.Pattern, renamed: dict) -> dict:
    "Let the Markdown links between notebooks follow the new page names; take out those that nbdev puts into the code of a signature."
    for cell in nb["cells"]:
        for data in (o.get("data", {}) for o in cell.get("outputs", [])):
            if "text/markdown" in data:
                data["text/markdown"] = re.sub(r"^```python\n.*?^```", lambda m: re.sub(r"\[(`[^`]+`)\]\([^)\s]+\)", r"\1", m[0]),
                                               "".join(data["text/markdown"]), flags=re.S | re.M)
        if cell["cell_type"] == "markdown":
            cell["source"] = re.sub(r"\]\([^)\s:]*\.ipynb", lambda m: names.sub(lambda n: renamed[n[0]], m[0]),
                                    "".join(cell["source"]))
    return nb


def render() -> None:
    "Render the processed notebooks and put the site in its place."
    done = subprocess.run([sys.executable, "-m", "smalldocs.cli", "render", str(PROC), "--strict"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(done.stdout, end="")
    if done.returncode:
        sys.exit("the site has warnings: see above")
    shutil.rmtree(SITE, ignore_errors=True)
    shutil.move(PROC / SITE.name, SITE)


def write_readme(url: str) -> None:
    "Turn the home page's Markdown copy into README.md: links to pages go to the website, pictures lie in index_files."
    text = (SITE / "index.llms.md").read_text(encoding="utf-8")
    text = re.sub(r"\]\((?![a-z]+:|#)([^)\s]+)\.llms\.md", rf"]({url}/\1.html", text)
    text = re.sub(r"(!\[[^\]]*\]\()(?![a-z]+:|index_files/)", r"\1nbs/", text)
    text = re.sub(r"<style.*?</style>\n*|<!-- WARNING.*?-->\n*", "", text, flags=re.S)
    note = "<!-- Made from nbs/index.ipynb by tools/build_site.py: edit the notebook. -->\n\n"
    (ROOT / "README.md").write_text(note + text.rstrip() + "\n", encoding="utf-8")
    shutil.rmtree(ROOT / "index_files", ignore_errors=True)
    if (SITE / "index_files").is_dir():
        shutil.copytree(SITE / "index_files", ROOT / "index_files")


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))  # this checkout, whatever is installed; the worker processes take it over
    refresh_quarto_yml()
    write_sidebar()
    if "--prepare" not in sys.argv:
        check_cells()
        proc_nbs(force=True, n_workers=2)
        rename_pages()
        render()
        cfg = get_config()
        write_readme(f"{cfg.doc_host}{cfg.doc_baseurl}")
        print(f"{len(list(SITE.rglob('*.html')))} pages in {SITE.relative_to(ROOT)}, README.md written")
