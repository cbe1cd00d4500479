"""Bring the fields of training.json up to date, and write the cards again.

    python tools/release/cards.py [FOLDER ...]

The folders are those of finished runs or of shipped weights; without any, all of rs_sr/weights.
Fields get the names that `TrainConfig` has today, and the record of the network is read off them.
Nothing is measured and no weights are touched, so this can be run at any time.
"""
import json
import sys
from dataclasses import asdict
from pathlib import Path

from rs_sr.models import WEIGHTS, record_from_config
from rs_sr.runtime import atomic
from rs_sr.training import write_figures

RENAMED = {"project": "projected"}  # old name of a field of the configuration: name today


def up_to_date(folder: Path) -> dict:
    "Read training.json with today's names of its fields, in their order."
    card = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    card["config"] = {RENAMED.get(name, name): value for name, value in card["config"].items()}
    return card | {"record": asdict(record_from_config(card["config"]))}


if __name__ == "__main__":
    for folder in map(Path, sys.argv[1:] or sorted(p.parent for p in WEIGHTS.glob("*/training.json"))):
        card = up_to_date(folder)
        with atomic(folder / "training.json") as draft:
            draft.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
        if "sha256" in card:  # shipped weights have a card
            write_figures(folder)
