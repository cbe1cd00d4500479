"""Package rs_sr: everything that can be said in one place is said in settings.ini.

What each runtime dependency is for:
torch: the networks;
torchvision: the antialiased resize that makes the measurements, crops and flips, extensions of images;
numpy, scipy, pandas: arrays, exact worst cases and confidence bounds, result tables;
pillow: photographs from disk; matplotlib, ipywidgets: figures and the explorer;
torchmetrics, scikit-image: SSIM and its independent check; accelerate: one training loop for CPU and GPUs;
safetensors: weights without pickle; psutil: free memory; filelock: tables that several processes write;
tqdm: progress bars; fastcore: the command line.

What the extras are for:
data: kagglehub fetches ImageNet mini; log: tensorboard shows training curves; all: these and hub;
hub: huggingface_hub for weights on the Hugging Face Hub (accelerate brings it along today, which nothing here
relies on);
deepinv: operators and models of deepinv, which reports, attacks and certificates then take;
browser: jupyterlab, playwright, nbclient run notebooks as a person would, in a browser;
dev: nbdev and the versions it needs, smalldocs for the website, latex2mathml for its formulas, ipykernel and
nbclient to run notebooks, mypy for types, ruff for style, import-linter for the floors of the house; build,
twine and readme_renderer make a release and check it; the notebooks test against foolbox, pyautoattack and
kagglehub;
hypothesis makes the situations of tools/checks/fuzz.py.
"""
import re
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

parser = ConfigParser(delimiters=["="])
parser.read("settings.ini", encoding="utf-8")
cfg = parser["DEFAULT"]
kinds = ("data", "hub", "log", "deepinv", "browser", "dev")
extras = {kind: cfg[f"{kind}_requirements"].split() for kind in kinds}
extras["all"] = extras["data"] + extras["hub"] + extras["log"]
source = f"https://raw.githubusercontent.com/{cfg['user']}/{cfg['repo']}/v{cfg['version']}"


def description() -> str:
    "README.md for a page without the repository's files: pictures and files are named by their address."
    readme = Path("README.md")
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    text = re.sub(r"(!\[[^\]]*\]\()(?![a-z]+:)", rf"\1{source}/", text)
    return re.sub(r"(\]\()(?![a-z]+:|#)", rf"\1{cfg['git_url']}/blob/v{cfg['version']}/", text)


setup(
    name=cfg["lib_name"],
    version=cfg["version"],
    description=cfg["description"],
    long_description=description(),
    long_description_content_type="text/markdown",
    author=cfg["author"],
    author_email=cfg["author_email"],
    url=cfg["git_url"],
    project_urls={
        "Documentation": cfg["doc_host"] + cfg["doc_baseurl"],
        "Changelog": f"{cfg['git_url']}/blob/main/CHANGELOG.md",
    },
    license="MIT",
    keywords=cfg["keywords"].split(),
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Typing :: Typed",
        *[f"Programming Language :: Python :: 3.{minor}" for minor in (10, 11, 12, 13)],
    ],
    python_requires=f">={cfg['min_python']}",
    packages=find_packages(include=["rs_sr", "rs_sr.*"]),
    package_data={"rs_sr": ["py.typed", "weights/**/*", "photos/**/*"]},
    install_requires=cfg["requirements"].split(),
    extras_require=extras,
    entry_points={
        "console_scripts": cfg["console_scripts"].split(),
        "nbdev": [f"{cfg['lib_name']}={cfg['lib_name']}._modidx:d"],
    },
    zip_safe=False,
)
