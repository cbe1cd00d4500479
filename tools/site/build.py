"""Build the website in _docs and README.md from the notebooks, with smalldocs (pure Python, no Quarto).

    python tools/site/build.py             the whole site; a warning of smalldocs is an error
    python tools/site/build.py --quarto    the site by Quarto, which must be installed; README stays
    python tools/site/build.py --prepare   only nbs/nbdev.yml and nbs/sidebar.yml, before `nbdev_preview`
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
from reader import for_readers, module_of, with_mathml, with_names

ROOT = Path(__file__).resolve().parents[2]
NBS = ROOT / "nbs"
PROC = ROOT / "_proc"
SITE = ROOT / "_docs"

# Folders of notebooks, or single ones, in the order in which one teaches them
READING = ("tutorials", "experiments")
LIBRARY = ("physics", "data", "metrics", "models", "smoothing", "attacks", "certificates", "training",
           "evaluation", "study", "plots", "explorer", "benchmark", "commands", "runtime")
ABOUT = ("contributing", "glossary")
MENUS = {"Tutorials": "tutorials", "Results": "experiments"}  # in the bar at the top, and on a phone
NAVBAR = {"Glossary": "glossary.ipynb", "Contributing": "contributing.ipynb"}
# Tutorials in the order of a course; pages of the other folders say `order:` in their front matter
COURSE = ("first_steps", "explorer", "attack_and_smooth", "your_own_model", "harden_your_network",
          "five_problems", "train_on_your_photographs", "reproduce_a_row", "read_a_certificate",
          "several_machines")


def read(path: Path) -> dict:
    "Read a notebook."
    return json.loads(path.read_text(encoding="utf-8"))


def order(path: Path) -> tuple:
    "Put the landing page first; then follow the course, the number in the name, or the front matter."
    if path.parent.name == "tutorials":
        return COURSE.index(path.stem) if path.stem in COURSE else len(COURSE), path.name
    found = re.search(r"^(?:- )?order: (\d+)", "".join(read(path)["cells"][0]["source"]), re.M)
    numbered = re.match(r"\d", path.stem)
    return path.stem != "index", int(found[1]) if found and not numbered else 99, path.name


def pages_of(folder: str) -> list:
    "List the pages of a folder in their order."
    paths = sorted(NBS.glob(f"{folder}/[!_.]*.ipynb"), key=order)
    return [path.relative_to(NBS).as_posix() for path in paths]


def chapter(name: str) -> dict:
    "List the pages of a folder, its landing page first, or link the one page of that name."
    if (NBS / f"{name}.ipynb").is_file():
        return {"text": name.capitalize(), "href": f"{name}.ipynb"}
    pages = pages_of(name)
    if pages[0].endswith("/index.ipynb"):
        pages[0] = {"text": "Overview", "href": pages[0]}
    return {"section": name.capitalize(), "contents": pages}


def check_menu(contents: list) -> None:
    "Refuse a menu in which a page is missing or stands twice."
    listed = re.findall(r"[\w/]+\.ipynb", json.dumps(contents))
    there = [path.relative_to(NBS).as_posix() for path in NBS.rglob("[!_.]*.ipynb")]
    wrong = {page for page in {*listed, *there} if listed.count(page) != 1 or page not in there}
    if wrong:
        sys.exit(f"these pages do not stand in the menu exactly once: {', '.join(sorted(wrong))}")


def write_sidebar() -> None:
    "List the notebooks chapter by chapter: what teaches first, then the library."
    contents = [{"text": "Home", "href": "index.ipynb"}, *map(chapter, (*READING, *LIBRARY))]
    contents.append({"section": "About", "contents": [chapter(name) for name in ABOUT]})
    check_menu(contents)
    navbar: list = [{"text": text, "menu": pages_of(folder)} for text, folder in MENUS.items()]
    navbar += [{"text": text, "href": page} for text, page in NAVBAR.items()]
    sidebar = {"website": {"navbar": {"left": navbar}, "sidebar": {"contents": contents}}}
    (NBS / "sidebar.yml").write_text(yaml.safe_dump(sidebar, sort_keys=False), encoding="utf-8")


def mixes_imports(source: str) -> bool:
    "Tell whether a cell that the reader sees holds both imports and other code."
    if re.search(r"^#\| *(export|eval: *false)|nbdev_export\(\)|^[%!]", source, re.M):
        return False
    kinds = {type(node) for node in ast.walk(ast.parse(source))}
    return bool(kinds & {ast.Import, ast.ImportFrom} and kinds & {ast.Expr, ast.Assign})


def check_cells() -> None:
    "Refuse cells that mix an import with other code: the build would run them without those around them."
    bad = []
    for path in sorted(NBS.rglob("[!_.]*.ipynb")):
        sources = ["".join(cell["source"]) for cell in read(path)["cells"] if cell["cell_type"] == "code"]
        if not any(source.startswith("#| default_exp") for source in sources):
            continue
        for source in filter(mixes_imports, sources):
            first = next(line for line in source.splitlines() if not line.startswith("#|"))
            bad.append(f"{path.relative_to(ROOT)}: {first}")
    if bad:
        sys.exit("put the imports of these cells into a cell of their own:\n  " + "\n  ".join(bad))


def edit_pages() -> None:
    "Make of each processed notebook what its page shows."
    for path in PROC.rglob("*.ipynb"):
        path.write_text(json.dumps(for_readers(read(path), module_of(path, PROC))), encoding="utf-8")


def rename_page(path: Path) -> str:
    "Give a processed notebook the page name that nbdev's links expect; smalldocs reads no `output-file`."
    nb = read(path)
    head = "".join(nb["cells"][0]["source"])
    found = re.search(r"^output-file: (\S+)\.html\n", head, re.M)
    nb["cells"][0]["source"] = re.sub(r"^output-file: .*\n", "", head, flags=re.M)
    target = path.with_name(f"{found[1] if found else path.stem}.ipynb")
    if target != path and target.exists():
        sys.exit(f"{path.name} and {target.name} would be the same page; rename one of them")
    path.unlink()
    target.write_text(json.dumps(nb), encoding="utf-8")
    return target.name


def rename_pages() -> None:
    "Rename all pages (03_gradient -> gradient), and let links and menu follow."
    renamed = {path.name: rename_page(path) for path in sorted(PROC.rglob("*.ipynb"))}
    old = "|".join(rf"(?<![\w-]){re.escape(name)}" for name in sorted(renamed, key=len, reverse=True))

    def follow(text: str) -> str:
        return re.sub(old, lambda m: renamed[m[0]], text)
    for path in PROC.rglob("*.ipynb"):
        path.write_text(json.dumps(relinked(read(path), follow)), encoding="utf-8")
    menu = PROC / "sidebar.yml"
    menu.write_text(follow(menu.read_text(encoding="utf-8")), encoding="utf-8")


def without_links(code: str) -> str:
    "Take out the links that nbdev puts into the code of a signature."
    return re.sub(r"\[(`[^`]+`)\]\([^)\s]+\)", r"\1", code)


def relinked(nb: dict, follow) -> dict:
    "Let the links between notebooks follow the new page names; keep links out of code."
    for cell in nb["cells"]:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "text/markdown" in data:
                text = "".join(data["text/markdown"])
                data["text/markdown"] = re.sub(r"^```python\n.*?^```", lambda m: without_links(m[0]), text,
                                               flags=re.S | re.M)
        if cell["cell_type"] == "markdown":
            # nbdev links a name although it is the text of a link already
            text = re.sub(r"\[\[(`[^`]+`)\]\([^)\s]+\)\]\(", r"[\1](", "".join(cell["source"]))
            cell["source"] = re.sub(r"\]\([^)\s:]*\.ipynb", lambda m: follow(m[0]), text)
    return nb


def render() -> None:
    "Render the processed notebooks with smalldocs, formulas as MathML."
    command = [sys.executable, "-m", "smalldocs.cli", "render", str(PROC), "--strict"]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(done.stdout, end="")
    if done.returncode:
        sys.exit("the site has warnings: see above")
    for page in (PROC / SITE.name).rglob("*.html"):
        page.write_text(with_names(with_mathml(page.read_text(encoding="utf-8"))), encoding="utf-8")
    publish()


def render_by_quarto() -> None:
    "Render the processed notebooks as nbdev_docs does."
    if not shutil.which("quarto"):
        sys.exit("no quarto found; install it (quarto.org), or build the site without --quarto")
    config = yaml.safe_load((NBS / "_quarto.yml").read_text(encoding="utf-8"))
    config["format"]["html"]["html-math-method"] = "mathml"  # smalldocs does not know the option
    (PROC / "_quarto.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    subprocess.run(["quarto", "render", "--no-cache"], cwd=PROC, check=True)
    publish()


def publish() -> None:
    "Put the rendered site in its place."
    shutil.rmtree(SITE, ignore_errors=True)
    shutil.move(PROC / SITE.name, SITE)


def write_readme(url: str) -> None:
    "Turn the home page's Markdown copy into README.md: links lead to the website, pictures to index_files."
    text = (SITE / "index.llms.md").read_text(encoding="utf-8")
    text = re.sub(r"\]\((?![a-z]+:|#)([^)\s]+)\.llms\.md", rf"]({url}/\1.html", text)
    text = re.sub(r"(!\[[^\]]*\]\()(?![a-z]+:|index_files/)", r"\1nbs/", text)
    text = re.sub(r"<style.*?</style>\n*|<!-- WARNING.*?-->\n*", "", text, flags=re.S)
    note = "<!-- Made from nbs/index.ipynb by tools/site/build.py: edit the notebook. -->\n\n"
    (ROOT / "README.md").write_text(note + text.rstrip() + "\n", encoding="utf-8")
    shutil.rmtree(ROOT / "index_files", ignore_errors=True)
    if (SITE / "index_files").is_dir():
        shutil.copytree(SITE / "index_files", ROOT / "index_files")


def main() -> None:
    "Prepare the menu, and build the site unless that is all that was wanted."
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))  # this checkout, whatever is installed; the worker processes take it over
    refresh_quarto_yml()
    write_sidebar()
    if "--prepare" in sys.argv:
        return
    check_cells()
    proc_nbs(force=True, n_workers=2)
    edit_pages()
    if "--quarto" in sys.argv:
        return render_by_quarto()
    rename_pages()
    render()
    config = get_config()
    write_readme(f"{config.doc_host}{config.doc_baseurl}")
    print(f"{len(list(SITE.rglob('*.html')))} pages in {SITE.relative_to(ROOT)}, README.md written")


if __name__ == "__main__":
    main()
