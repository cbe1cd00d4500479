"""Train small networks on linear estimators, and measure how much is left below the ceiling.

    python tools/ceiling.py train DATA RUNS [NAME ...]    networks, each in a folder of RUNS
    python tools/ceiling.py choose DATA RUNS [NAME ...]   their share next to the filter, on val
    python tools/ceiling.py measure DATA RUNS [NAME ...]  the best stages under attack, on test
    python tools/ceiling.py bounds DATA RUNS [RADIUS ...] oracle, best filter, x2-erased and x4-erased

DATA holds photographs in the ImageNet-mini layout; NAME is x{2,4}-erased, trained on erased measurements of
all radii, x{2,4}-small-crops, trained against a homotopy that starts erased for every other photograph,
x{2,4}-on-filter-{0.01,0.02,0.05,0.1,0.2}, which goes on from there on larger crops, and from that one on
x{2,4}-longer-0.02, for four epochs more, or x{2,4}-whole-{0.02,0.05,0.1}, on whole photographs and against
more steps.
Every step resumes. Rows go to data/results/ceiling_choice.csv, ceiling_attacked.csv and ceiling.csv (the
last two are committed packed by xz; unpack to resume).
"""
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from rs_sr.attacks import attack_ensemble
from rs_sr.data import SRDataset
from rs_sr.evaluation import evaluate
from rs_sr.metrics import psnr
from rs_sr.models import AnySizeFilter, Blend, Defence, OnFilter, PseudoInverse, fit_filter
from rs_sr.physics import eps_from_rel
from rs_sr.runtime import Schema, Table
from rs_sr.study import CEILING, ceiling_rows, subset
from rs_sr.training import TrainConfig, restored, train

RESULTS = Path(__file__).resolve().parents[1] / "data" / "results"
RADII = (0.01, 0.02, 0.05, 0.1, 0.2)
SHIPPED = (0.02, 0.05, 0.1)  # radii with a filter, and a blend, that ship
# radii at which a stage is trained
STAGES = {"small-crops": (), "on-filter": RADII, "longer": (0.02,), "whole": SHIPPED}
LAST = [stage for stage, radii in STAGES.items() if radii]  # stages of networks that defend
NAMES = [f"x{s}-{name}" for s in (2, 4) for name in ("erased", "small-crops", *(
    f"{stage}-{r:g}" for stage, radii in STAGES.items() for r in radii))]
COMMON: dict[str, Any] = dict(method="adversarial", loss="psnr", region=168, validations=4)
SMALL: dict[str, Any] = dict(crop=64, batch_size=8, learning_rate=1e-3, epochs=8)
EROSION: dict[str, Any] = SMALL | dict(attack="erasure", eps_rel=0.2, eps_low=0.01)
DEFENCE: dict[str, Any] = dict(attack="homotopy", attack_start="mixed", attack_steps=3, eps_rel=0.05)
# an attacker can put all of a photograph's radius into one place, so the last training is on large crops
LARGE: dict[str, Any] = dict(crop=128, batch_size=2, learning_rate=5e-4, epochs=1, attack_steps=4)
LONGER: dict[str, Any] = LARGE | dict(epochs=4)
WHOLE: dict[str, Any] = LARGE | dict(crop=160, learning_rate=3e-4, attack_steps=6)
SHARES = (0.0, 0.5, 0.75, 1.0)  # of the network
VAL, SHORT = 12, 50  # photographs, and passes of the attack that chooses
TEST, PASSES = 99, 120  # photographs, all there are, and passes of the attack that measures
CHOICE = Schema({"name": str, "share": float, "images": int, "passes": int, "psnr": float}, ["name", "share"])
FITTED, GAINS = 160, 40  # photographs and sides of a table of gains, as of the shipped filters


def scale_of(name: str) -> int:
    return int(name[1])


def stage_of(name: str) -> str:
    return next(stage for stage in (*STAGES, "erased") if f"-{stage}" in name)


def radius_of(name: str) -> float:
    return float(name.rsplit("-", 1)[1]) if name in defences([name]) else DEFENCE["eps_rel"]


def robust_filter(scale: int, radius: float, data: Path) -> AnySizeFilter:
    "Take a shipped filter, or fit one in the same way."
    if radius in SHIPPED:
        shipped: Any = Defence.from_pretrained(f"sr-x{scale}-robust-{radius:g}")
        return shipped.second
    pairs = SRDataset(data, scale=scale, crop=GAINS * scale, split="train", region=168)
    made = fit_filter(pairs, radius, images=subset(len(pairs), FITTED), steps=50, modes=("bilinear",))
    return AnySizeFilter(made.gains, scale, eps_rel=radius)


def network(name: str, data: Path | None = None) -> OnFilter:
    "Build a network that is not trained yet; a filter that does not ship is empty without photographs."
    scale, radius = scale_of(name), radius_of(name)
    if name.endswith("erased"): return OnFilter(PseudoInverse(f"downsampling:{scale}"), scale, 32, 6)
    if radius in SHIPPED or data: return OnFilter(robust_filter(scale, radius, data or Path()), scale, 32, 4)
    return OnFilter(AnySizeFilter(torch.zeros(GAINS, GAINS), scale, eps_rel=radius), scale, 32, 4)


def settings(name: str) -> dict[str, Any]:
    "Say how a network is trained."
    own = COMMON | {"scale": scale_of(name)}
    if name.endswith("erased"): return own | EROSION
    if name.endswith("crops"): return own | SMALL | DEFENCE
    stage = {"longer": LONGER, "whole": WHOLE}.get(stage_of(name), LARGE)
    return own | DEFENCE | stage | {"eps_rel": radius_of(name)}


def started(name: str, data: Path, runs: Path) -> OnFilter:
    "Build a network as its training begins: with the weights of the stage before."
    model = network(name, data)
    before = name.replace(stage_of(name), "on-filter")
    if stage_of(name) == "on-filter": before = f"x{scale_of(name)}-small-crops"
    if stage_of(name) in LAST: model.network.load_state_dict(trained(runs, before).network.state_dict())
    return model


def trained(runs: Path, name: str) -> OnFilter:
    model: Any = restored(network(name), runs / name)  # its gains are among the weights
    return model


def defences(names: list[str]) -> list[str]:
    return [name for name in names if stage_of(name) in LAST]


def attacked_psnr(model: Blend, radius: float, pairs: SRDataset) -> float:
    "Attack a model on a few photographs."
    y, x = pairs.batch(subset(len(pairs), VAL))
    z = attack_ensemble(model, y, x, eps_from_rel(radius, y), passes=SHORT).y
    with torch.no_grad(): x_hat = pairs.normalization.to_pixels(model(z), clamp=True)
    return float(psnr(x_hat, pairs.normalization.to_pixels(x, clamp=True)).mean())


def blend(runs: Path, name: str, share: float) -> Blend:
    "Take a share of what the network adds to the filter."
    model = trained(runs, name)
    made: Blend = Blend(model, model.linear, share).eval()
    return made


def choose(data: Path, runs: Path, names: list[str]) -> None:
    "Attack several shares on val."
    with Table(RESULTS / "ceiling_choice.csv", CHOICE) as table:
        for name in (name for name in names if not name.endswith("erased")):
            val = SRDataset(data, scale=scale_of(name), crop=160, split="val")
            for share in SHARES:
                if (name, share) in table.pieces("name", "share"): continue
                found = attacked_psnr(blend(runs, name, share), radius_of(name), val)
                table.add({"name": name, "share": share, "images": VAL, "passes": SHORT,
                           "psnr": round(found, 4)})
                table.save()


def chosen(name: str) -> float:
    "Read which share was best."
    rows = pd.read_csv(RESULTS / "ceiling_choice.csv")
    best: float = rows[rows.name == name].sort_values("psnr").share.iloc[-1]
    return best


def finalist(scale: int, radius: float) -> str:
    "Name the stage that was best on val, but for the longer one, which came later; empty: none was tried."
    rows = pd.read_csv(RESULTS / "ceiling_choice.csv")
    mine = rows[rows.name.isin([f"x{scale}-{stage}-{radius:g}" for stage in STAGES if stage != "longer"])]
    best: str = mine.sort_values("psnr").name.iloc[-1] if len(mine) else ""
    return best


def measure(data: Path, runs: Path, names: list[str]) -> None:
    "Attack the finalists among networks, and what they are compared with."
    for name in defences(names):
        if name != finalist(scale_of(name), radius_of(name)): continue
        scale, radius = scale_of(name), radius_of(name)
        test = SRDataset(data, scale=scale, crop=160, split="test")
        shipped = f"sr-x{scale}-robust-{radius:g}"
        models: dict[str, Any] = {name: blend(runs, name, chosen(name))}
        if radius in SHIPPED: models[shipped] = Defence.from_pretrained(shipped)
        evaluate(models, test, [0, radius], attack="ensemble", steps=PASSES, images=subset(len(test), TEST),
                 baselines=False, out=RESULTS / "ceiling_attacked.csv", batch_size=4, device="cpu")


def bounds(data: Path, runs: Path, radii: Sequence[float]) -> None:
    "Measure what erasure leaves."
    with Table(RESULTS / "ceiling.csv", CEILING) as table:
        for scale in (2, 4):
            test = SRDataset(data, scale=scale, crop=160, split="test")
            name = f"x{scale}-erased"
            guess = trained(runs, name) if (runs / name / "model.safetensors").is_file() else None
            for radius in radii:
                done = table.pieces("image", "scale", "eps_rel")
                images = [i for i in subset(len(test), TEST) if (test.names[i], scale, radius) not in done]
                if not images: continue
                robust = robust_filter(scale, radius, data)
                for row in ceiling_rows(test, radius, robust, guess, images): table.add(row)


def main(step: str, data: Path, runs: Path, names: list[str]) -> None:
    if step == "bounds": return bounds(data, runs, [float(radius) for radius in names] or RADII)
    names = names or NAMES
    if step == "choose": return choose(data, runs, names)
    if step == "measure": return measure(data, runs, names)
    for name in names:
        config = TrainConfig(data=str(data), out=str(runs / name), **settings(name))
        train(config, model=started(name, data, runs), cpu=True)
    done = {path.parent.name: json.loads(path.read_text()) for path in sorted(runs.glob("*/training.json"))}
    (RESULTS / "ceiling_networks.json").write_text(json.dumps(done, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[1] not in ("train", "choose", "measure", "bounds"): sys.exit(__doc__)
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
