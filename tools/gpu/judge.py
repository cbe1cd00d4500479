"""Attack a network that was trained, next to its filter, with the strongest attack there is.

    python tools/gpu/judge.py NAME RUN DATA --out judged.csv      NAME as in networks.py, RUN its folder
"""
import argparse
import importlib
from pathlib import Path

import torch

from rs_sr.data import SRDataset
from rs_sr.evaluation import evaluate, summarise
from rs_sr.training import restored

SHOWN = argparse.RawDescriptionHelpFormatter
RADII = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=SHOWN)
    parser.add_argument("network")
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="rerun with the same file to resume")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--images", type=int, help="the first so many; otherwise all")
    parser.add_argument("--crop", type=int, default=160)
    parser.add_argument("--steps", type=int, default=200, help="passes of the attack")
    parser.add_argument("--radii", type=float, nargs="+", default=RADII)
    given = parser.parse_args(words)
    model = importlib.import_module("networks").__dict__[given.network]()
    model = restored(model, given.run).to(torch.device(given.device))
    photos = SRDataset(given.data, scale=model.filter.scale, crop=given.crop, split="test")
    frame = evaluate({given.run.name: model, "filter": model.filter}, photos, given.radii, attack="ensemble",
                     steps=given.steps, images=range(len(photos))[:given.images], out=given.out)
    print(summarise(frame).to_string(index=False))


if __name__ == "__main__": main()
