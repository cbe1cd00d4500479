"""Situations in which users bring functions and commands of rs_sr, and what must hold in each.

A family is a strategy, which makes situations, and a function, which tries one in an empty folder and returns
what is wrong with its result, or an empty text.
"""
import math
import os
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from filelock import FileLock
from forms import (
    DAMAGE, FORMS, KINDS, MODES, NEVER, NO_IMAGES, PLAIN, Form, picture, put_file, same_state, state_of)
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from rs_sr.attacks import apgd, attack_ensemble, norms, pgd, smooth_pgd
from rs_sr.certificates import Controlled, LinearControl, certify, certify_controlled, certify_loss
from rs_sr.certificates import pixel_maps
from rs_sr.commands.entry import main
from rs_sr.data import SRDataset, load_photo, sample_photos
from rs_sr.evaluation import evaluate, robustness_report, tune_sigma_g
from rs_sr.metrics import mse, psnr, ssim
from rs_sr.models import interpolations
from rs_sr.physics import degrade
from rs_sr.smoothing import SmoothedModel


class Family(NamedTuple):
    "Situations of one kind."
    count: int
    strategy: st.SearchStrategy
    trial: Callable[[dict, Path], str]


def choice(*values) -> st.SearchStrategy: return st.sampled_from(values)


def situations(odd: dict[str, tuple] | None = None, **usual: tuple | st.SearchStrategy) -> st.SearchStrategy:
    "Choose a value of each part, and in every second situation an odd value of one part."
    def part(values): return choice(*values) if isinstance(values, tuple) else values

    base = st.fixed_dictionaries({name: part(values) for name, values in usual.items()})
    if odd is None: return base
    one = [st.fixed_dictionaries({name: part(values)}) for name, values in odd.items()]
    return st.builds(lambda right, change, wanted: right | (change if wanted else {}), base, st.one_of(one),
                     st.booleans())


AROUND = ("inference", "no_grad", "float64")


@contextmanager
def surroundings(name: str):
    "Run as users do who have changed torch's defaults."
    before = torch.get_default_dtype()
    if name == "float64": torch.set_default_dtype(torch.float64)
    try:
        with {"inference": torch.inference_mode, "no_grad": torch.no_grad}.get(name, nullcontext)(): yield
    finally: torch.set_default_dtype(before)


def measurements(n: int, side: int = 16, seed: int = 0) -> tuple[Tensor, Tensor]:
    "Make pairs of measurement and ground truth, in pixels."
    x = torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)
    return degrade(x, 2), x


def independent_psnr(a: Tensor, b: Tensor) -> np.ndarray:
    "PSNR of each image, without a line of ours."
    error = np.square(a.double().numpy() - b.double().numpy()).reshape(len(a), -1).mean(1)
    with np.errstate(divide="ignore"): return -10 * np.log10(error)


# images ---------------------------------------------------------------------------------------------------

PICTURES = situations({"damage": DAMAGE}, mode=MODES, kind=tuple(KINDS), damage=("none",),
                      size=st.tuples(st.integers(1, 40), st.integers(1, 40)), seed=st.integers(0, 99))


def try_picture(s: dict, folder: Path) -> str:
    "A photograph comes with its size, its bytes and its brightness."
    image = picture(s["mode"], *s["size"], s["seed"])  # type: ignore[call-arg]
    path = put_file(folder, "photo", image, s["kind"], s["damage"], s["seed"])
    photo = load_photo(path)
    if s["damage"] in ("bytes", "cut"): return "" if photo.ndim == 3 else "no photo"
    if s["damage"] in ("empty", "text", "folder", "missing"): return "a photograph out of nothing"
    with Image.open(path) as written: now, there = written.mode, np.asarray(written.convert("RGB"))
    if photo.dtype != np.uint8 or photo.shape != (*image.size[::-1], 3): return f"{photo.dtype} {photo.shape}"
    if s["mode"].startswith("I;16") and now.startswith("I"):
        there = np.asarray(Image.open(path)).astype(float)[..., None] / 257
    elif now not in ("L", "RGB", "1", "CMYK", "YCbCr"): return ""
    gap = float(np.abs(photo.astype(float) - there).max())
    return f"pixels are off by {gap:.0f} of 255" if gap > 1 else ""


def some_files(damage: tuple) -> st.SearchStrategy:
    "Choose image files of several modes."
    return st.lists(st.tuples(choice(*MODES[:9]), choice(*KINDS), choice(*damage)), min_size=1, max_size=3)


CHANGES = ("replaced", "removed", "cache cut", "cache locked")
FOLDERS = situations(
    {"files": st.lists(st.tuples(choice(*MODES), choice(*KINDS), choice(*DAMAGE)), max_size=2),
     "scale": (3, 0, -2, 1.5, math.nan), "crop": (10, 0, -16, 16.0, 7), "region": (4, -1, 40),
     "split": ("val", "odd"), "change": CHANGES},
    files=some_files(("none",)), scale=(2, 4, 1), crop=(16, 24), train=st.booleans(), region=(None, 32),
    split=(None,), change=("none", "none", *CHANGES))


def change_files(change: str, folder: Path, cache: Path) -> None:
    "Change files under a running program."
    if change == "replaced":
        for path in folder.iterdir():
            if path.is_file(): path.write_bytes(b"something else")
    if change == "removed": shutil.rmtree(folder)
    if change == "cache cut":
        for path in cache.rglob("*"):
            if path.is_file(): path.write_bytes(path.read_bytes()[:40])


def try_folder(s: dict, folder: Path) -> str:
    "Pairs are finite, of the right size, and what the files said when the data set was made."
    photos, cache = folder / "photos", folder / "cache"
    photos.mkdir()
    for i, (mode, kind, damage) in enumerate(s["files"]):
        put_file(photos, f"f{i}", picture(mode, 40, 36, i), kind, damage, i)
    options = {name: s[name] for name in ("scale", "crop", "train", "region", "split")} | {"cache_dir": cache}
    dataset = SRDataset(photos, **options)
    before = dataset.batch(range(len(dataset)))
    if s["change"] != "none":
        change_files(s["change"], photos, cache)
        with locking(cache / "photos", s["change"] == "cache locked"): dataset = SRDataset(photos, **options)
    y, x = dataset.batch(range(len(dataset)))
    if x.shape != (len(dataset), 3, s["crop"], s["crop"]) or y.shape != x.shape: return f"shape {x.shape}"
    pixels = dataset.normalization.to_pixels(x)
    if not (float(pixels.min()) >= -1e-5 and float(pixels.max()) <= 1 + 1e-5): return "x is out of range"
    if s["change"] == "none" and not all(map(torch.equal, before, (y, x))): return "two batches differ"
    gap = (dataset.normalization.to_pixels(y) - degrade(pixels, s["scale"])).abs().max()
    return "" if gap < 1e-4 else f"y is off by {gap:.2g}"


@contextmanager
def locking(path: Path, wanted: bool = True):
    "Hold the lock of a file for a moment, as another process would."
    path.parent.mkdir(parents=True, exist_ok=True)
    held = threading.Event()

    def hold() -> None:
        with FileLock(path.with_name(f".{path.name}.lock")):
            held.set()
            time.sleep(0.1)

    if wanted:
        threading.Thread(target=hold).start()
        held.wait()
    yield


# metrics --------------------------------------------------------------------------------------------------

VALUES = ("random", "black", "white", "same")
ODD_VALUES = ("nan", "inf", "bytes", "negative")
SHAPES = ((2, 3, 16, 16), (2, 1, 16, 16), (1, 3, 16, 16), (2, 3, 8, 8), (3, 16, 16), (0, 3, 16, 16))
METRICS = situations(
    {"pred": ODD_VALUES, "target": ODD_VALUES, "alike": (False,),
     "dtypes": st.tuples(*[choice("float32", "float64", "float16", "uint8", "bfloat16")] * 2)},
    metric=("mse", "psnr", "ssim"), pred=VALUES, target=VALUES, alike=(True,),
    dtypes=(("float32",) * 2, ("float64", "float32")), shapes=st.tuples(choice(*SHAPES), choice(*SHAPES)))


def filled(values: str, shape: tuple, dtype: str, seed: int) -> Tensor:
    "Make images of a kind."
    made = torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)
    odd = {"nan": math.nan, "inf": math.inf, "bytes": 200.0, "negative": -0.5}
    if values in ("black", "white"): made = torch.full_like(made, float(values == "white"))
    if values in odd and made.numel(): made.view(-1)[-1] = odd[values]
    return made.to(getattr(torch, dtype))


def try_metric(s: dict, folder: Path) -> str:
    "A metric has one finite value an image, that of an independent computation."
    kinds = [(s["pred"], s["shapes"][0], s["dtypes"][0]), (s["target"], s["shapes"][1], s["dtypes"][1])]
    if s["alike"]: kinds[1] = (s["target"], *kinds[0][1:])
    pred, target = (filled(*kind, seed) for seed, kind in enumerate(kinds))
    if s["target"] == "same": target = pred.clone()
    value = {"mse": mse, "psnr": psnr, "ssim": ssim}[s["metric"]](pred, target)
    if value.shape != (len(pred),) or value.isnan().any(): return f"value {value}"
    if pred.shape != target.shape: return "shapes were broadcast"
    if s["metric"] == "ssim": return "" if (value <= 1 + 1e-5).all() else f"SSIM {value}"
    right = independent_psnr(pred, target)
    own = value.double().numpy() if s["metric"] == "psnr" else psnr_of(value.double().numpy())
    return "" if np.allclose(own, right, atol=1e-3) else f"{own} dB is {right} dB"


def psnr_of(errors: np.ndarray) -> np.ndarray:
    "PSNR of squared errors."
    with np.errstate(divide="ignore"): return -10 * np.log10(errors)


# attacks --------------------------------------------------------------------------------------------------

ATTACKS = situations(
    {"eps": (0.0, -1.0, math.nan, math.inf, [[0.1], [0.2]], [0.1] * 3, [0.1, math.nan]),
     "steps": (0, -1, 2.5), "norm": (math.inf, 1),
     "x": ("nan", "one channel", "fewer"), "y": ("nan", "double", "bytes"),
     "around": AROUND},
    attack=("pgd", "apgd", "smooth_pgd", "attack_ensemble"), form=(*PLAIN, *FORMS), steps=(3, 2), norm=(2,),
    eps=(0.3, 1.5, [0.5, 0.0], [1.0, 2.0]), x=("right",), y=("right",), around=("plain",),
    seed=st.integers(0, 9))


def run_attack(s: dict, model: Form, y: Tensor, x: Tensor) -> Tensor:
    "Attack as a situation says."
    eps = torch.tensor(s["eps"]) if isinstance(s["eps"], list) else s["eps"]
    rng = torch.Generator().manual_seed(s["seed"])
    if s["attack"] == "attack_ensemble": return attack_ensemble(model, y, x, eps, passes=80, generator=rng).y
    if s["attack"] == "smooth_pgd":
        smoothed = SmoothedModel(model, 0.1, 4, seed=0)
        return smooth_pgd(smoothed, y, x, eps, steps=s["steps"], check=4, k=2, generator=rng)
    attack = {"pgd": pgd, "apgd": apgd}[s["attack"]]
    return attack(model, y, x, eps, steps=s["steps"], norm=s["norm"], generator=rng)


def pair_for(s: dict) -> tuple[Tensor, Tensor]:
    "Make the measurements and the ground truth of a situation."
    y, x = measurements(2)
    if s["y"] == "nan": y[0, 0, 0, 0] = math.nan
    if s["x"] == "nan": x[0, 0, 0, 0] = math.nan
    if s["y"] == "bytes": y = (255 * y).to(torch.uint8)
    x = {"one channel": x[:, :1], "fewer": x[:1]}.get(s["x"], x)
    return (y.double(), x.double()) if s["y"] == "double" else (y, x)


def try_attack(s: dict, folder: Path) -> str:
    "The result lies in the ball; model and measurement are left as found; the same seed finds the same."
    model, (y, x) = Form(s["form"]), pair_for(s)
    before, copies = (y.clone(), x.clone()), torch.get_rng_state()
    state = state_of(model)
    try:
        with surroundings(s["around"]): found = run_attack(s, model, y, x)
    finally:
        if not same_state(state, state_of(model)): raise AssertionError("the model was changed")
        if not all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(before, (y, x))):
            raise AssertionError("y or x was changed")
    zero = not torch.as_tensor(s["eps"]).any()
    if s["form"] in (*NO_IMAGES, "first alone") and not zero:
        return f"a model that is {s['form']!r} was attacked"
    if s["x"] != "right" and not zero: return f"x that is {s['x']!r} was attacked"
    if fault := outside(s, found, y): return fault
    if s["form"] in ("random", "memory"): return ""
    torch.set_rng_state(copies)
    with surroundings(s["around"]): again = run_attack(s, model, y, x)
    return "" if torch.equal(found, again) else "the same seed gives another result"


def outside(s: dict, found: Tensor, y: Tensor) -> str:
    "Say what is wrong with perturbed measurements."
    if found.shape != y.shape or found.dtype != y.dtype: return f"{found.dtype} {tuple(found.shape)}"
    if not found.isfinite().all(): return "the result is not finite"
    radius = torch.tensor(s["eps"]).double().reshape(-1)
    e = (found - y).double()
    uses_norm = s["attack"] in ("pgd", "apgd")
    far = e.flatten(1).abs().amax(1) if uses_norm and s["norm"] == math.inf else norms(e).flatten()
    return "" if (far <= radius * (1 + 1e-4) + 1e-6).all() else f"norms {far.tolist()} at radius {s['eps']}"


# smoothing ------------------------------------------------------------------------------------------------

SMOOTHING = situations(
    {"sigma_g": (-0.1, math.nan, math.inf), "k": (0, -2, 2.5), "seed": ([1], -1, None), "chunk": (0,),
     "tol": (0.05, 0.0, -1.0), "clamp": ((1.0, 0.0), (0.0, math.nan)), "y": ("nan", "double", "bytes"),
     "around": AROUND},
    form=(*PLAIN, *FORMS), sigma_g=(0.1, 0.5, 0.0), k=(4, 1, 7, 64), seed=(0, 3, [1, 2]), tol=(None,),
    antithetic=(None, None, False, True), clamp=(None, None, (0.0, 1.0)), chunk=(None, 1, 3), y=("right",),
    around=("plain",))


def try_smoothing(s: dict, folder: Path) -> str:
    "The mean is finite and repeatable, linear models are their own mean, and nothing else is touched."
    model, y = Form(s["form"]), pair_for({"y": s["y"], "x": "right"})[0]
    settings = {name: s[name] for name in ("tol", "antithetic", "clamp", "seed", "chunk")}
    g = SmoothedModel(model, s["sigma_g"], s["k"], **settings)
    before, state = y.clone(), state_of(model)
    with surroundings(s["around"]): mean = g(y).detach()
    if not same_state(state, state_of(model)): return "the model was changed"
    if not torch.equal(y, before): return "y was changed"
    if s["form"] in NEVER: return f"a model that is {s['form']!r} was smoothed"
    if not mean.isfinite().all(): return "the mean is not finite"
    if s["clamp"] and not ((mean >= -1e-6) & (mean <= 1 + 1e-6)).all(): return "the mean leaves the clamp"
    if s["form"] in ("random", "memory") or s["seed"] is None: return ""
    with surroundings(s["around"]): again = g(y).detach()
    if not torch.equal(mean, again): return "the same seed gives another mean"
    exact = s["form"] in ("linear", "one memory") and s["clamp"] is None and g.antithetic
    return "the pairs of a linear model leave a rest" if exact and (mean - 0.8 * y).abs().max() > 1e-5 else ""


# certificates ---------------------------------------------------------------------------------------------

CERTIFICATES = situations(
    {"sigma_g": (0.0, -0.1, math.nan), "k": (1, 0, -4), "alpha": (0.0, 1.0, -0.5), "ratio": (-1.0, math.nan),
     "loss": ("scalar", "nan", "rows"), "p": (0.0, 1.0), "x": ("none", "nan", "one channel"), "seed": (-1,),
     "around": ("inference", "float64"), "tolerance": (0.0, -1.0, math.nan)},
    what=("certify", "certify", "certify_loss", "pixel_maps", "certify_controlled"), form=(*PLAIN, *FORMS),
    sigma_g=(0.1, 0.25), tolerance=(None, 0.5), k=(64, 256), alpha=(1e-3, 0.1), ratio=(0.1, 0.5, 3.0, 0.0),
    loss=("right",), p=(0.5, 0.9), x=("right",), seed=(0, 5), around=("plain",))

LOSSES: dict[str, Callable] = {
    "right": lambda z: (z - 0.5).flatten(1).norm(dim=1) / 20, "scalar": lambda z: (z - 0.5).norm() / 20,
    "nan": lambda z: z.flatten(1).mean(1) * math.nan, "rows": lambda z: z.flatten(1)}


def try_certificate(s: dict, folder: Path) -> str:
    "Nothing is certified that does not hold for a strong attack on the same smoothed model."
    model, (y, x) = Form(s["form"]), measurements(1)
    if s["x"] == "nan": x[0, 0, 0, 0] = math.nan
    if s["x"] == "one channel": x = x[:, :1]
    radius = s["ratio"] * s["sigma_g"]
    common = dict(k=s["k"], alpha=s["alpha"], seed=s["seed"], normalization=None)
    state = state_of(model)
    with surroundings(s["around"]):
        if s["what"] == "certify":
            truth = None if s["x"] == "none" else x
            found = certify(model, y, truth, s["sigma_g"], [radius], tolerance=s["tolerance"], **common)
        elif s["what"] == "certify_controlled":
            half = Controlled(model, LinearControl(torch.eye(3).view(3, 3, 1, 1) / 2))
            found = certify_controlled(half, y, x, s["sigma_g"], [radius], means=(1,), **common)
        elif s["what"] == "pixel_maps": found = pixel_maps(model, y, s["sigma_g"], [radius], **common)
        else:
            loss = LOSSES[s["loss"]]
            found = [certify_loss(model, y, loss, 0.9, s["sigma_g"], radius, p=s["p"], **common)]
    if not same_state(state, state_of(model)): return "the model was changed"
    certified = [c for c in found if c.status == "certified"]
    if certified and (s["form"] in NEVER or not radius >= 0): return f"certified: {certified[0]}"
    if s["what"] in ("certify", "certify_controlled") and s["x"] == "right":
        return unsound(s, model, y, x, radius, certified)
    return "certified by a loss that is none" if s["what"] == "certify_loss" and s["loss"] != "right" and (
        certified) else ""


def unsound(s: dict, model: Form, y: Tensor, x: Tensor, radius: float, certified: list) -> str:
    "Say which certificate the smoothed model breaks at the measurement itself or under attack."
    if s["form"] in ("random", "memory", "batch") and certified:
        return f"certified a model that is {s['form']!r}"
    bounds = [c.value for c in certified if c.estimator == "mean"]
    if not bounds: return ""
    g = SmoothedModel(model, s["sigma_g"], 512, clamp=(0.0, 1.0), seed=77)
    z = y if radius == 0 else smooth_pgd(g, y, x, radius, steps=4, k=2, check=8)
    with torch.no_grad(): reached = float(independent_psnr(g(z), x)[0])
    if reached >= bounds[0] - 0.1: return ""
    return f"certified {bounds[0]:.2f} dB, the attack leaves {reached:.2f}"


# tables ---------------------------------------------------------------------------------------------------

TABLES = situations(
    {"name": ("NA", "1e5", "a,b\nc", "", "null", "bilinear"), "batch_size": (0, -1, 1.5),
     "eps_rel": ((), (-0.1,), (math.nan,), (math.inf,)),
     "sigma_g": ((-0.1,), (math.nan,), (), (math.inf,)), "steps": (0, 1.5), "k": (0, 2.5),
     "images": ([], [9999], [0, 0], [-1], [0.5]),
     "out": ("other", "folder", "text"), "around": ("inference", "float64"), "seed": (-1,)},
    tune=st.booleans(), form=(*PLAIN, *FORMS), name=("f",), eps_rel=((0.0, 0.05), (0.0,), (0.02,)),
    sigma_g=((0.0,), (0.0, 0.1)), steps=(2, 1), k=(4, 3), images=([0], [0, 1], [0, 5]),
    out=("none", "csv", "cut", "locked"), around=("plain",), seed=(0, 7), batch_size=(None, 1))


def measured(s: dict, model: Form, dataset: SRDataset, out: Path | None):
    "Call evaluate or tune_sigma_g."
    names = ("steps", "k", "images", "seed", "batch_size")
    common = {name: s[name] for name in names} | {"out": out}
    with surroundings(s["around"]):
        if s["tune"]: return tune_sigma_g({s["name"]: model}, dataset, s["sigma_g"], s["eps_rel"], **common)
        return evaluate({s["name"]: model}, dataset, s["eps_rel"], sigma_g=s["sigma_g"], **common)


def prepare(kind: str, out: Path) -> Path | None:
    "Put something in the place of a table."
    if kind == "folder": out.mkdir()
    if kind == "other": out.write_text("name,price\nbread,3\n")
    if kind == "text": out.write_bytes(bytes(range(256)))
    return None if kind == "none" else out


def try_table(s: dict, folder: Path) -> str:
    "Rows are complete, finite and right, and a second call repeats them."
    dataset = SRDataset(sample_photos("test"), scale=2, crop=16)
    model, out = Form(s["form"]), prepare(s["out"], folder / "rows.csv")
    state = state_of(model)
    with locking(folder / "rows.csv", s["out"] == "locked"): frame = measured(s, model, dataset, out)
    if not same_state(state, state_of(model)): return "the model was changed"
    values = frame[["mse", "psnr", "ssim"]].to_numpy(float)
    if np.isnan(values).any(): return "a NaN row"
    if s["form"] in NO_IMAGES: return f"rows of a model that is {s['form']!r}"
    if not s["tune"] and (n := rows_wanted(s, dataset)) != len(frame):
        return f"{len(frame)} rows, {n} were wanted"
    exact = s["form"] in ("plain", "linear", "one memory", "constant")
    if exact and (fault := wrong_clean(s, frame, model, dataset)):
        return fault
    if out is None or s["form"] in ("random", "memory"): return ""
    if s["out"] == "cut": cut_tail(out)
    again = measured(s, model, dataset, out)
    return "" if frame.equals(again) else "a second call gives other rows"


def rows_wanted(s: dict, dataset: SRDataset) -> int:
    "Count the rows of evaluate: each interpolation, and each level of the model."
    estimators = len(interpolations(dataset)) + len(set(s["sigma_g"]))
    return len(set(s["images"])) * len(set(s["eps_rel"])) * estimators


def wrong_clean(s: dict, frame, model: Form, dataset: SRDataset) -> str:
    "Compare unattacked rows with an independent PSNR."
    own = frame[(frame.model == s["name"]) & (frame.eps_rel == 0) & (frame.sigma_g == 0)]
    if own.empty: return ""
    y, x = dataset.batch(s["images"])
    to_pixels = dataset.normalization.to_pixels
    with torch.no_grad(): right = independent_psnr(to_pixels(model(y), clamp=True), to_pixels(x, clamp=True))
    right = dict(zip([dataset.names[i] for i in s["images"]], right))
    gaps = [abs(row.psnr - right[row.image]) for row in own.itertuples()]
    return "" if max(gaps) < 1e-3 else f"clean PSNR is off by {max(gaps):.3g} dB"


def cut_tail(path: Path) -> None:
    "Lose the last bytes of a file, as a full disk does."
    path.write_bytes(path.read_bytes()[:-30])


# reports --------------------------------------------------------------------------------------------------

REPORTS = situations(
    {"value_range": ("normalised", "odd"), "images": (0, -1, 1.5), "eps_rel": (-1.0, math.nan),
     "sigma_g": (-0.1,), "channels": (1, 2)},
    form=(*PLAIN, *FORMS), value_range=("pixel",), images=(1, 2), eps_rel=(0.05,), sigma_g=(0.1, 0.0),
    channels=(3,), function=st.booleans())


def try_report(s: dict, folder: Path) -> str:
    "A report has no NaN, tells what it found, and is there to be read."
    model = Form(s["form"])
    state = state_of(model)
    called = (lambda z: model(z)) if s["function"] else model
    options = {name: s[name] for name in ("value_range", "images", "channels", "eps_rel", "sigma_g")}
    report = robustness_report(called, sample_photos("test"), crop=32, k=2, passes=80, steps=2,
                               out=folder / "r", **options)
    if not s["function"] and not same_state(state, state_of(model)):
        return "the model was changed"
    if report.table[["psnr", "ssim"]].isna().any().any(): return "NaN in the table"
    if s["form"] in NO_IMAGES: return f"a report on a model that is {s['form']!r}"
    if not report.says: return "the report says nothing"
    return "" if all(p.stat().st_size for p in (folder / "r").iterdir()) else "an empty file"


# commands -------------------------------------------------------------------------------------------------

WORDS = ("2", "1", "0", "-1", "nan", "inf", "1e9", "x", "", "0.5", "1,2", "0,0.05", "a b", "é", "None", "--k")
COMMANDS = {"rs_sr_evaluate": ("unet-x2-standard",), "rs_sr_tune": ("unet-x2-noise0.1", "DATA"),
            "rs_sr_certify": ("unet-x2-noise0.1",), "rs_sr_report": ("my_models:make",),
            "rs_sr_train": ("DATA", "OUT"), "rs_sr_demo": (), "rs_sr_leaderboard": ("defences.csv", "DATA"),
            "rs_sr_reconstruct": ("DATA", "--weights", "unet-x2-standard")}
OPTIONS = {"rs_sr_evaluate": ("eps_rel", "steps", "k", "sigma_g", "attack_k", "batch_size", "precision"),
           "rs_sr_tune": ("eps_rel", "steps", "k", "sigma_g", "batch_size", "metric", "split"),
           "rs_sr_certify": ("radii", "k", "alpha", "draws", "means", "sigma_g", "steps", "tolerance"),
           "rs_sr_report": ("value_range", "eps_rel", "sigma_g", "k", "passes", "steps", "channels"),
           "rs_sr_train": ("method", "epochs", "batch_size", "crop", "region", "learning_rate", "sigma_f"),
           "rs_sr_demo": ("images", "eps_rel", "k"), "rs_sr_leaderboard": ("eps_rel", "images", "steps"),
           "rs_sr_reconstruct": ("physics", "sigma_g", "k", "tile", "overlap", "mask", "depth")}
SMALL = {"rs_sr_evaluate": "--crop 32 --images 1 --k 2 --steps 1 --sigma_g 0.1 --eps_rel 0 --out OUT.csv",
         "rs_sr_tune": "--crop 32 --images 1 --k 2 --steps 1 --eps_rel 0.05 --sigma_g 0,0.1 --out OUT.csv",
         "rs_sr_certify": "--crop 32 --images 1 --k 64 --means 1 --draws 5 --out OUT.csv",
         "rs_sr_report": "--crop 32 --images 1 --k 2 --passes 80 --steps 1 --out OUT",
         "rs_sr_train": "--crop 32 --batch_size 1 --epochs 1 --region 32",
         "rs_sr_demo": "--images 1 --k 2 --eps_rel 0 --out OUT",
         "rs_sr_leaderboard": "--crop 32 --eps_rel 0 --images 1 --out OUT.csv",
         "rs_sr_reconstruct": "--sigma_g 0.1 --k 2 --tile 32 --overlap 8 --out OUT"}
DEFENCES = "name,layers,estimator,sigma_g,k,scale,about\nplain,unet-x2-standard,mean,0.0,16,2,No defence.\n"
PLACES = choice("no/such/place", "afile/x", ".", "out.json", "")
MAKERS = choice("z", "z.half()", "None", "1/0", "z[:, :1]", "broken syntax(")
LINES = st.tuples(choice(*COMMANDS), st.integers(0, 7), choice(*WORDS), choice("nowhere", "bad", "."), PLACES,
                  MAKERS, st.integers(0, 3))


class Line(NamedTuple):
    "A command line, and whether one of its words is odd."
    command: str
    option: int
    word: str
    data: str
    out: str
    maker: str
    odd: int  # 0: nothing on the line is odd; 1: the option; 2: data; 3: out

    def words(self) -> list[str]:
        "Write the command line."
        data, out = self.data if self.odd == 2 else "photos", self.out if self.odd == 3 else "out"
        tail = SMALL[self.command].split()
        names = {"DATA": data, "OUT": out, "OUT.csv": f"{out}.csv" if out == "out" else out}
        line = [names.get(word, word) for word in (*COMMANDS[self.command], *tail)]
        options = OPTIONS[self.command]
        if self.odd == 1: line += [f"--{options[self.option % len(options)]}={self.word}"]
        return [self.command, *line]


def try_command(s: tuple, folder: Path) -> str:
    "A command ends well and leaves its files, or says in one sentence why not."
    line = Line(*s)
    (folder / "photos").mkdir()
    (folder / "bad").mkdir()
    (folder / "bad" / "a.png").write_bytes(b"none")
    (folder / "afile").write_text("a file")
    (folder / "defences.csv").write_text(DEFENCES)
    (folder / "my_models.py").write_text(f"import torch\ndef make(): return lambda z: {line.maker}\n")
    for i in range(2): picture("RGB", 48, 48, i).save(folder / "photos" / f"{i}.png")
    before, here = set(folder.rglob("*")), os.getcwd()
    os.chdir(folder)
    try: main(line.words())
    finally: os.chdir(here)
    return "" if any(p.is_file() for p in set(folder.rglob("*")) - before) else "no file was written"


FAMILIES = {
    "images": Family(36, PICTURES, try_picture), "folders": Family(20, FOLDERS, try_folder),
    "metrics": Family(24, METRICS, try_metric), "attacks": Family(40, ATTACKS, try_attack),
    "smoothing": Family(20, SMOOTHING, try_smoothing),
    "certificates": Family(20, CERTIFICATES, try_certificate),
    "tables": Family(14, TABLES, try_table), "reports": Family(6, REPORTS, try_report),
    "commands": Family(20, LINES, try_command)}
assert set(PLAIN) | set(NEVER) <= set(FORMS)
