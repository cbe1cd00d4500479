"""Ship networks on the filter as defences, and write their cards.

    python tools/release/ship_on_filter.py ship RUNS [NAME ...]    16-bit weights and the record of runs
    python tools/release/ship_on_filter.py cards                   figures and cards, from the tables

RUNS holds what `tools/ceiling.py train` has left. Stage and share of each network are those that were best in
data/results/ceiling_choice.csv, its figures are those of data/results/ceiling_attacked.csv.xz, and its filter
is that of the shipped blend of the same radius, or its own where there is none. The record says what the
network reached before its weights were rounded, on embedded photographs, so that nobody has to believe that
rounding costs nothing.
"""
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from rs_sr.data import SRDataset, sample_photos
from rs_sr.evaluation import Interval, interval
from rs_sr.metrics import psnr
from rs_sr.models import Defence, record_of, with_record
from rs_sr.runtime import atomic, checksum

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS, RESULTS = ROOT / "rs_sr" / "weights", ROOT / "data" / "results"
sys.path.insert(0, str(ROOT / "tools"))
from ceiling import chosen, finalist, trained  # type: ignore[import-not-found]  # noqa: E402

MADE = [(2, radius) for radius in (0.02, 0.05, 0.1, 0.2)]
CROP, PROBES = 64, (0, 9)  # embedded photographs on which rounding is judged


def shipped(scale: int, radius: float) -> str:
    return f"sr-x{scale}-onfilter-{radius:g}"


def rival(scale: int, radius: float) -> str:
    "Name the blend that ships; empty: there is none."
    name = f"sr-x{scale}-robust-{radius:g}"
    return name if (WEIGHTS / name).is_dir() else ""


def probes(model: torch.nn.Module, scale: int) -> list[float]:
    "Reconstruct two embedded photographs, not attacked; PSNR in dB."
    pairs = SRDataset(sample_photos("test"), scale=scale, crop=CROP)
    y, x = pairs.batch(list(PROBES))
    with torch.no_grad(): made = pairs.normalization.to_pixels(model(y), clamp=True)
    found: list[float] = psnr(made, pairs.normalization.to_pixels(x, clamp=True)).tolist()
    return [round(value, 6) for value in found]


def ship(runs: Path, names: list[str]) -> None:
    "Write the weights and the record of each, or of those that are named."
    for scale, radius in MADE:
        run, blend = finalist(scale, radius), rival(scale, radius)
        if not run or names and shipped(scale, radius) not in names: continue
        model, share = trained(runs, run), float(chosen(run))
        with_record(model, record_of(model), level=radius)
        if record_of(model.linear).level != radius: sys.exit(f"the filter of {run} is for another radius")
        made = Defence(model, model.linear, share, card={"filter": blend} if blend else {}).eval()
        note = json.loads((runs / run / "training.json").read_text())
        kept = {part: note[part] for part in ("photographs", "commit", "device", "date")}
        known = {"photographs": list(PROBES), "PSNR (dB)": probes(made, scale)}
        made.card |= {"training": {"run": run, **kept}, "before rounding": known}
        made.save_pretrained(WEIGHTS / shipped(scale, radius))


CARD = """---
license: mit
library_name: rs_sr
tags: [super-resolution, adversarial-robustness]
---
# {name}

A defence for super-resolution by {scale} against attacks of relative radius {radius:g}: {part}a network \
that was trained on top of the best linear filter, against attacks{rest}. Input: bilinearly enlarged \
photographs of any sides, in model space.

```python
from rs_sr.models import Defence
model = Defence.from_pretrained("{name}")  # y -> x_hat
```

```sh
rs_sr_reconstruct PHOTO --defence {name}
```

{filter} The network was trained on {photographs} photographs \
of ImageNet (non-commercial research use), code at commit {commit}, {device}; its share was chosen on {val} \
others under attack (`data/results/ceiling_choice.csv`). To train it again:

```sh
python tools/ceiling.py train DATA RUNS {stages}
python tools/release/ship_on_filter.py ship RUNS
```

Mean PSNR (dB) / SSIM of {test} photographs of `test`, before the weights were rounded to 16 bits, under an \
ensemble of attacks with {passes} passes; filter and bilinear interpolation under their exact worst case \
(`data/results/ceiling_attacked.csv.xz`, `ceiling.csv.xz`). Differences are those of the PSNR of this \
defence under attack on the same photographs, with 95 % intervals. Rounding moved the clean PSNR of two \
photographs by at most {moved:.5f} dB.

{table}

SHA-256 of `model.safetensors`: `{digest}`
"""


def mixture(share: float) -> dict[str, str]:
    "Say what else is in the sum, if anything is."
    if share == 1: return {"part": "", "rest": ""}
    return {"part": f"{share:.0%} of ", "rest": ", the rest of that filter"}


def origin(card: dict[str, Any]) -> str:
    "Say where the filter is from."
    if blend := card.get("filter"): return f"The filter is that of [{blend}](../{blend}/README.md)."
    return "The filter was fitted for this radius, like those of the blends that ship."


def measured(scale: int, radius: float) -> dict[str, pd.DataFrame]:
    "Read rows of the defence, of the blend of its radius and of linear estimators, by image."
    nets, bounds = (pd.read_csv(RESULTS / f"{name}.csv.xz") for name in ("ceiling_attacked", "ceiling"))
    models = {"this defence": finalist(scale, radius), "the shipped blend": rival(scale, radius)}
    found = {label: nets[nets.model == model] for label, model in models.items() if model}
    at = bounds[(bounds.scale == scale) & (bounds.eps_rel == radius)]
    for label, model in {"the filter alone": "filter", "bilinear": "bilinear"}.items():
        found[label] = at[at.model == model]
    return found


def attacked(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows.eps_rel > 0].set_index("image")


def table(rows: dict[str, pd.DataFrame]) -> str:
    "Lay out what was measured."
    lines, own = ["| estimator | clean | attacked | this defence is above it by |", "|---|---|---|---|"], None
    for label, part in rows.items():
        clean, worst = part[part.eps_rel == 0], attacked(part)
        said, own = "", worst.psnr if own is None else own
        if label != "this defence":
            gain: Interval = interval((own - worst.psnr).dropna())
            said = f"{gain.mean:+.2f} dB ({gain.lo:+.2f} to {gain.hi:+.2f})"
        cells = [f"{p.psnr.mean():.2f} / {p.ssim.mean():.3f}" if len(p) else "" for p in (clean, worst)]
        lines.append(f"| {label} | {cells[0]} | {cells[1]} | {said} |")
    return "\n".join(lines)


def stages(run: str) -> list[str]:
    "Name the runs that a network went through."
    first, radius = f"{run[:2]}-small-crops", run.rsplit("-", 1)[1]
    return list(dict.fromkeys([first, f"{run[:2]}-on-filter-{radius}", run]))


def described(scale: int, radius: float, card: dict[str, Any], folder: Path) -> str:
    "Write a card."
    choice, run = pd.read_csv(RESULTS / "ceiling_choice.csv"), finalist(scale, radius)
    rows, note = measured(scale, radius), card["training"]
    passes = int(rows["this defence"].steps.max())
    moved = max(abs(a - b) for a, b in zip(probes(Defence.from_pretrained(folder), scale),
                                           card["before rounding"]["PSNR (dB)"]))
    return CARD.format(
        name=folder.name, scale=scale, radius=radius, **mixture(card["weight"]), filter=origin(card),
        photographs=note["photographs"], commit=note["commit"], device=note["device"],
        val=int(choice[choice.name == run].images.iloc[0]), stages=" ".join(stages(run)),
        test=rows["this defence"].image.nunique(), passes=passes, moved=moved,
        table=table(rows), digest=checksum(folder / "model.safetensors"))


def cards() -> None:
    "Write figures and cards."
    for scale, radius in MADE:
        folder = WEIGHTS / shipped(scale, radius)
        if not folder.is_dir(): continue
        card = json.loads((folder / "defence.json").read_text(encoding="utf-8"))
        means = measured(scale, radius)["this defence"].groupby("eps_rel").psnr.mean()
        card["figures"] = {f"PSNR (dB), {'attacked' if e else 'clean'}": round(float(p), 2)
                           for e, p in means.items()}
        with atomic(folder / "defence.json") as draft: draft.write_text(json.dumps(card, indent=1) + "\n")
        with atomic(folder / "README.md") as draft: draft.write_text(described(scale, radius, card, folder))


if __name__ == "__main__":
    if sys.argv[1:] == ["cards"]: cards()
    elif sys.argv[1:2] == ["ship"] and len(sys.argv) > 2: ship(Path(sys.argv[2]), sys.argv[3:])
    else: sys.exit(__doc__)
