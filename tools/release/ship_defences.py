"""Fit, choose, measure and ship the defences: a network blended with a robust filter, by scale and radius.

    python tools/release/ship_defences.py fit DATA [NAME ...]      the filters, on train
    python tools/release/ship_defences.py choose DATA [NAME ...]   network and weight, on val
    python tools/release/ship_defences.py measure DATA [NAME ...]  what is chosen, on test
    python tools/release/ship_defences.py cards                    figures and cards, from the tables

DATA holds photographs in the ImageNet-mini layout; NAME is one of sr-x{2,4}-robust-{0.02,0.05,0.1}, all of
them unless told. Every step resumes. Filters lie in rs_sr/weights/NAME; how candidates did on val goes to
data/results/defences_choice.csv, what the chosen ones reach on test, next to the network for nothing and
interpolation, to data/results/shipped_defences_x{2,4}.csv (committed packed, by xz; unpack to resume).
"""
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors.torch import load_file
from torch import Tensor

from rs_sr.data import SRDataset
from rs_sr.evaluation import evaluate
from rs_sr.models import AnySizeFilter, Blend, Defence, fit_filter, list_defences, load_network, stacked
from rs_sr.physics import eps_from_rel
from rs_sr.runtime import Schema, Table
from rs_sr.study import blend_error, subset

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS, RESULTS = ROOT / "rs_sr" / "weights", ROOT / "data" / "results"
RADII = (0.02, 0.05, 0.1)
NAMES = {f"sr-x{scale}-robust-{radius:g}": (scale, radius) for scale in (2, 4) for radius in RADII}
# shipped networks that were trained against about such an attack
CANDIDATES = {
    (2, 0.02): ("unet-x2-adv0.02", "projection + unet-x2-projadv0.05"),
    (2, 0.05): ("projection + unet-x2-projadv0.05", "projection + unet-x2-proj-adv0.1"),
    (2, 0.1): ("projection + unet-x2-proj-adv0.1",),
    (4, 0.02): ("projection + edsr-x4-ssim-proj-adv0.02",),
    (4, 0.05): ("unet-x4-adv0.1", "projection + edsr-x4-ssim-proj-adv0.02"),
    (4, 0.1): ("unet-x4-adv0.1",),
}
SHARES = (0.25, 0.5, 0.75)  # of the network
GAINS = 40  # sides of a table of gains
TRAIN, VAL, STEPS = 160, 6, 12  # photographs, and steps of the attack that chooses
TEST, PASSES = 24, 120  # photographs, and passes of the attack that measures
CHOICE = Schema({"name": str, "layers": str, "weight": float, "images": int, "mse": float},
                ["name", "layers", "weight"])


def photographs(data: Path, scale: int, split: str, crop: int = 160) -> SRDataset:
    return SRDataset(data, scale=scale, crop=crop, split=split, region=168 if split == "train" else None)


def read_filter(name: str) -> AnySizeFilter:
    "Read the filter of a defence."
    scale, radius = NAMES[name]
    return AnySizeFilter(load_file(WEIGHTS / name / "filter.safetensors")["gains"], scale, eps_rel=radius)


def fit(data: Path, names: list[str]) -> None:
    "Fit what is missing; such a folder holds the filter alone until something is chosen."
    for name in names:
        if (WEIGHTS / name / "filter.safetensors").is_file(): continue
        scale, radius = NAMES[name]
        train = photographs(data, scale, "train", crop=GAINS * scale)
        some = subset(len(train), TRAIN)
        made = fit_filter(train, radius, images=some, steps=50, modes=("bilinear",))
        robust = AnySizeFilter(made.gains, scale, eps_rel=radius)
        Defence(robust, robust, 0.0).save_pretrained(WEIGHTS / name, CANDIDATES[scale, radius][0])
        (WEIGHTS / name / "defence.json").unlink()
        (WEIGHTS / name / "filter.safetensors").chmod(0o644)


def choose(data: Path, names: list[str]) -> None:
    "Attack candidates on val, and keep the weakest error."
    with Table(RESULTS / "defences_choice.csv", CHOICE) as table:
        for name in names:
            scale, radius = NAMES[name]
            val, robust = photographs(data, scale, "val"), read_filter(name)
            y, x = val.batch(subset(len(val), VAL))
            for layers in CANDIDATES[scale, radius]:
                for weight in SHARES:
                    if (name, layers, weight) in table.pieces("name", "layers", "weight"): continue
                    error = blend_error(Blend(stacked(layers, scale).eval(), robust, weight), y, x,
                                        eps_from_rel(radius, y), steps=STEPS, size=2)
                    table.add({"name": name, "layers": layers, "weight": weight, "images": VAL, "mse": error})
                    table.save()
            alone = filter_error(robust, y, x, eps_from_rel(radius, y))
            table.add({"name": name, "layers": "filter", "weight": 0.0, "images": VAL, "mse": alone})
    write_records(names)


def filter_error(robust: AnySizeFilter, y: Tensor, x: Tensor, eps: float) -> float:
    "Mean squared error in model space under the exact worst case."
    return float((robust(robust.attack(y, x, eps)) - x).square().mean())


def write_records(names: list[str]) -> None:
    "Write what was chosen."
    table = pd.read_csv(RESULTS / "defences_choice.csv")
    for name in names:
        best = table[table.name == name].sort_values("mse").iloc[0]
        scale, radius = NAMES[name]
        layers = best.layers if best.weight else CANDIDATES[scale, radius][0]
        made = Defence(stacked(layers, scale), read_filter(name), float(best.weight))
        made.save_pretrained(WEIGHTS / name, layers)
        print(f"{name}: {best.weight:g} of {layers}")


def measure(data: Path, names: list[str]) -> None:
    "Attack the chosen ones, the filter and the network for nothing."
    for name in names:
        scale, radius = NAMES[name]
        test, made = photographs(data, scale, "test"), Defence.from_pretrained(name)
        models: dict[str, Any] = {name: made, f"filter of {name}": read_filter(name)}
        if radius == 0.05: models[f"unet-x{scale}-standard"] = load_network(f"unet-x{scale}-standard")
        evaluate(models, test, [0, radius], attack="ensemble", steps=PASSES, images=subset(len(test), TEST),
                 out=RESULTS / f"shipped_defences_x{scale}.csv", batch_size=4, device="cpu")


CARD = """---
license: mit
library_name: rs_sr
tags: [super-resolution, adversarial-robustness]
---
# {name}

A defence for super-resolution by {scale} against attacks of relative radius {radius:g}: {share}. Input: \
bilinearly enlarged photographs of any sides, in model space.

```python
from rs_sr.models import Defence
model = Defence.from_pretrained("{name}")  # y -> x_hat
```

```sh
rs_sr_reconstruct PHOTO --defence {name}
```

The filter was fitted on {train} photographs of ImageNet (non-commercial research use), the network and its \
share were chosen on {val} others under attack (`data/results/defences_choice.csv`), both by \
`tools/release/ship_defences.py`.

Mean PSNR (dB) / SSIM of {test} photographs of `test`, under an ensemble of attacks with {passes} passes; \
filter and bilinear interpolation under their exact worst case.

{table}
"""


def cell(rows: pd.DataFrame) -> str:
    return f"{rows.psnr.mean():.2f} / {rows.ssim.mean():.3f}" if len(rows) else ""


def cards() -> None:
    "Write figures and cards from the table."
    found = [pd.read_csv(path) for path in sorted(RESULTS.glob("shipped_defences_x*.csv*"))]
    rows = pd.concat(found, ignore_index=True)
    for defence in list_defences().itertuples():
        if defence.name not in NAMES: continue  # networks on the filter: see ship_on_filter.py
        name, radius = defence.name, defence.eps_rel
        lines = {name: name, "the filter alone": f"filter of {name}", "bilinear": "bilinear"}
        if radius == 0.05: lines["a network without a defence"] = f"unet-x{defence.scale}-standard"
        own = rows[(rows.scale == defence.scale) & rows.eps_rel.isin([0, radius])]
        table = ["| estimator | clean | attacked |", "|---|---|---|"]
        for label, model in lines.items():
            part = own[own.model == model]
            clean, attacked = (cell(part[part.eps_rel == e]) for e in (0, radius))
            table.append(f"| {label} | {clean} | {attacked} |")
        file = WEIGHTS / name / "defence.json"
        card = json.loads(file.read_text())
        part = own[own.model == name]
        card["figures"] = {f"PSNR (dB), {'attacked' if e else 'clean'}": round(float(p), 2)
                           for e, p in part.groupby("eps_rel").psnr.mean().items()}
        card["chosen on"], card["fitted on"] = VAL, TRAIN
        file.write_text(json.dumps(card, indent=1) + "\n")
        share = f"{defence.weight:.0%} of `{defence.layers}`, the rest of the best linear filter"
        text = CARD.format(name=name, scale=defence.scale, radius=radius, share=share, train=TRAIN, val=VAL,
                           test=TEST, passes=PASSES, table="\n".join(table))
        (WEIGHTS / name / "README.md").write_text(text)


if __name__ == "__main__":
    step, rest = (sys.argv + [""])[1], sys.argv[2:]
    if step not in ("fit", "choose", "measure", "cards") or (step != "cards" and not rest): sys.exit(__doc__)
    if step == "cards": cards()
    else: {"fit": fit, "choose": choose, "measure": measure}[step](Path(rest[0]), rest[1:] or list(NAMES))
