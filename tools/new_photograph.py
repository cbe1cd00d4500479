"""Certify a robust filter on photographs of several kinds, exactly, for the floors of new photographs.

    python tools/new_photograph.py IMAGENET OTHERS   writes data/results/new_photograph.csv; resumes.

The table is committed packed, by xz -9e; unpack it to resume.

IMAGENET has the ImageNet-mini layout: its val and test photographs are of one kind. OTHERS is a folder of
another kind. The middle 96 x 96 pixels are reduced by two. The filter is that of sr-x2-robust-0.05, a linear
estimator, so its worst case is known. For the photographs of data/results/x2_certificates.csv.xz, 160 x 160
pixels of test, the difficulty alone is noted.
"""
import sys
from pathlib import Path

import pandas as pd

from rs_sr.certificates import Detail, certify_linear
from rs_sr.data import SRDataset
from rs_sr.models import Defence
from rs_sr.physics import eps_from_rel
from rs_sr.runtime import Schema, Table, fingerprint
from rs_sr.study import subset

RESULTS = Path(__file__).resolve().parents[1] / "data" / "results"
DEFENCE, RADII = "sr-x2-robust-0.05", (0.0, 0.02, 0.05, 0.1)
CROP, MOST = 96, 100  # pixels, photographs of a kind
ROWS = Schema({"kind": str, "image": str, "crop": int, "eps_rel": float, "radius": float, "weights": str,
               "detail": float, "psnr": float}, ["kind", "image", "crop", "eps_rel"])


def certify_kind(table: Table, kind: str, dataset: SRDataset, images: list[int]) -> None:
    "Add the certificates of one kind of photographs."
    model = Defence.from_pretrained(DEFENCE).second
    weights = fingerprint(model)
    for i in images:
        if (kind, dataset.names[i], CROP) in table.pieces("kind", "image", "crop"): continue
        y, x = dataset.batch([i])
        radii = [eps_from_rel(r, y) for r in RADII]
        for eps_rel, found in zip(RADII, certify_linear(model, y, x, radii, name="filter")):
            table.add({"kind": kind, "image": dataset.names[i], "crop": CROP, "eps_rel": eps_rel,
                       "radius": found.radius, "weights": weights, "detail": round(Detail()(y), 6),
                       "psnr": round(found.value, 5)})


def note_difficulty(table: Table, imagenet: Path) -> None:
    "Add the difficulty of the photographs that smoothed networks were certified on."
    dataset = SRDataset(imagenet, scale=2, crop=160, split="test")
    for name in pd.read_csv(RESULTS / "x2_certificates.csv.xz").image.unique():
        y, _ = dataset.batch([dataset.names.index(name)])
        table.add({"kind": "certified", "image": name, "crop": 160, "eps_rel": 0.0, "radius": 0.0,
                   "weights": "", "detail": round(Detail()(y), 6), "psnr": float("nan")})


def main(imagenet: Path, others: Path) -> None:
    "Certify all kinds."
    kinds = {split: SRDataset(imagenet, scale=2, crop=CROP, split=split) for split in ("val", "test")}
    kinds["other"] = SRDataset(others, scale=2, crop=CROP)
    with Table(RESULTS / "new_photograph.csv", ROWS) as table:
        for kind, dataset in kinds.items():
            certify_kind(table, kind, dataset, subset(len(dataset), min(MOST, len(dataset))))
        note_difficulty(table, imagenet)


if __name__ == "__main__":
    if len(sys.argv) != 3: sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
