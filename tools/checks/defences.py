"""Load each shipped defence by its name, and find its numbers again: with the rs_sr of this Python, anywhere.

    python tools/checks/defences.py [--photographs N] [--seed S]
    python tools/checks/defences.py --write    measures what defences.csv next to it lacks, and adds it

Every defence of `list_defences` reconstructs the first N embedded photographs, clean and under the ensemble
at the radius for which it ships, and `rs_sr_reconstruct --defence` one small picture. On each photograph the
clean PSNR must be that of defences.csv, and the attacked one close to it, although another seed attacks; from
four photographs on, the means must lie in the intervals of the means in the file.
"""
import argparse
import csv
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from PIL import Image

from rs_sr.attacks import attack_ensemble, clamped_error
from rs_sr.data import SRDataset, sample_photos
from rs_sr.evaluation import interval
from rs_sr.metrics import psnr
from rs_sr.models import Defence, list_defences
from rs_sr.physics import IMAGENET_MINI, eps_from_rel

FILE = Path(__file__).with_name("defences.csv")
CROP, PASSES, WRITTEN = 64, 80, 6
CLEAN, ATTACKED = 0.02, 0.25  # dB by which the numbers of one photograph may differ
COLUMNS = ["name", "image", "clean", "attacked", "filter"]


def row(name: str, photos: SRDataset, i: int, seed: int) -> dict:
    "Measure a defence and its filter on one photograph."
    model = Defence.from_pretrained(name)
    y, x = photos.batch([i])
    eps = eps_from_rel(float(model.card["eps_rel"]), y)
    found = attack_ensemble(model, y, x, eps, passes=PASSES, loss=clamped_error(IMAGENET_MINI),
                            generator=torch.Generator().manual_seed(seed))
    alone = model.second

    def rated(f, z):
        with torch.no_grad():
            return round(float(psnr(*(IMAGENET_MINI.to_pixels(t, clamp=True) for t in (f(z), x)))), 3)
    return {"name": name, "image": photos.names[i], "clean": rated(model, y),
            "attacked": rated(model, found.y), "filter": rated(alone, alone.attack(y, x, eps))}


def measure(count: int, seed: int, without: frozenset = frozenset()) -> dict[str, list[dict]]:
    "Measure every defence but some, at its own scale."
    rows = {}
    for listed in list_defences().itertuples():
        if listed.name in without: continue
        photos = SRDataset(sample_photos("test"), scale=listed.scale, crop=CROP)
        rows[listed.name] = [row(listed.name, photos, i, seed) for i in range(count)]
    return rows


def faults(name: str, now: list[dict], was: list[dict]) -> list[str]:
    "Say what is not as it was."
    if [r["image"] for r in now] != [r["image"] for r in was]: return [f"{name}: other photographs"]
    said = [f"{name}: the attack does nothing" for r in now if r["attacked"] >= r["clean"]][:1]
    for kind, most in (("clean", CLEAN), ("attacked", ATTACKED), ("filter", CLEAN)):
        pairs = [(r[kind], float(w[kind])) for r, w in zip(now, was)]
        worst = max(pairs, key=lambda pair: abs(pair[0] - pair[1]))
        if abs(worst[0] - worst[1]) > most: said.append(f"{name}: {kind} {worst[0]} dB, it was {worst[1]}")
        if len(pairs) < 4: continue
        mean, known = sum(p[0] for p in pairs) / len(pairs), interval([p[1] for p in pairs])
        if not known.lo <= mean <= known.hi: said.append(f"{name}: mean {kind} {mean:.2f} dB, not in {known}")
    return said


def reconstruct(name: str) -> list[str]:
    "Reconstruct a small picture by the command, in an empty folder."
    with tempfile.TemporaryDirectory() as folder:
        Image.new("RGB", (48, 32), "#9cb").save(Path(folder) / "photo.png")
        line = ["-m", "rs_sr.commands.entry", "rs_sr_reconstruct", "photo.png", "--defence", name]
        done = subprocess.run([sys.executable, *line], cwd=folder, capture_output=True, text=True)
        made = [p for p in Path(folder).rglob("*.png") if p.name != "photo.png"]
    if done.returncode == 0 and made: return []
    return [f"rs_sr_reconstruct --defence {name}: {done.stderr.strip()}"]


def write(known: list[dict]) -> int:
    "Add the defences that the file lacks; return the exit status."
    added = measure(WRITTEN, 0, without=frozenset(r["name"] for r in known))
    with open(FILE, "w", newline="") as out:
        table = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(known + [r for rows in added.values() for r in rows])
    return 0


def main() -> int:
    "Check, or write the file; return the exit status."
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photographs", type=int, default=1, help="how many, at most six")
    parser.add_argument("--seed", type=int, default=1, help="of the attacks; the file has 0")
    parser.add_argument("--write", action="store_true", help="complete defences.csv")
    given = parser.parse_args()
    known = list(csv.DictReader(FILE.open())) if FILE.exists() else []
    if given.write: return write(known)
    said, found = [], measure(min(given.photographs, WRITTEN), given.seed)
    for name, rows in found.items():
        wrong = faults(name, rows, [r for r in known if r["name"] == name][:len(rows)])
        attacked, alone = (sum(r[kind] for r in rows) / len(rows) for kind in ("attacked", "filter"))
        print(f"{name}: attacked {attacked:.2f} dB, {attacked - alone:+.2f} dB to its filter alone"
              f"{'' if not wrong else ', NOT as it was'}")
        said += wrong
    said += reconstruct(next(iter(found)))
    print("\n".join(said) or f"{len(found)} defences, {len(rows)} photographs each: as they were")
    return bool(said)


if __name__ == "__main__":
    sys.exit(main())
