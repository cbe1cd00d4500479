"""Package rs_sr: everything that can be said in one place is said in settings.ini.

What each runtime dependency is for:
torch: the networks, and the antialiased `interpolate` that makes the measurements (so no torchvision);
numpy, scipy, pandas: arrays, exact worst cases and confidence bounds, result tables;
pillow: photographs from disk; matplotlib, ipywidgets: figures and the explorer;
torchmetrics, scikit-image: SSIM and its independent check; accelerate: one training loop for CPU and GPUs;
safetensors, huggingface_hub: weights without pickle, `save_pretrained` and `from_pretrained`;
tqdm: progress bars; fastcore: the command line.
"""
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

parser = ConfigParser(delimiters=["="])
parser.read("settings.ini", encoding="utf-8")
cfg = parser["DEFAULT"]
extras = {name: cfg[f"{name}_requirements"].split() for name in ("data", "log", "dev")}

setup(
    name=cfg["lib_name"],
    version=cfg["version"],
    description=cfg["description"],
    long_description=Path("README.md").read_text(encoding="utf-8") if Path("README.md").exists() else "",
    long_description_content_type="text/markdown",
    author=cfg["author"],
    author_email=cfg["author_email"],
    url=cfg["git_url"],
    license="MIT",
    keywords=cfg["keywords"].split(),
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        *[f"Programming Language :: Python :: 3.{minor}" for minor in (10, 11, 12, 13)],
    ],
    python_requires=f">={cfg['min_python']}",
    packages=find_packages(include=["rs_sr", "rs_sr.*"]),
    package_data={"rs_sr": ["weights/**/*", "photos/**/*"]},
    install_requires=cfg["requirements"].split(),
    extras_require=extras,
    entry_points={
        "console_scripts": cfg["console_scripts"].split(),
        "nbdev": [f"{cfg['lib_name']}={cfg['lib_name']}._modidx:d"],
    },
    zip_safe=False,
)
