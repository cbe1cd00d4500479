"""What is worth doing on a borrowed GPU, most worth first.

Each step is a command line: of the package (`rs_sr_...`), or of a script in this folder. Each resumes when it
is given again with the same words. `share` is the part of the time that it may take in the first round; what
is left over then goes to unfinished steps, in the same order.
"""
import csv
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "data" / "results"


class Plan(NamedTuple):
    "Where things are, and how much is done."
    data: Path  # train/, val/, test/
    out: Path  # of all results
    device: str
    minutes: float  # of the whole run
    tiny: bool = False  # a rehearsal

    def size(self, full: str, tiny: str) -> list[str]:
        "Choose the options of a full run, or of a rehearsal."
        return (tiny if self.tiny else full).split()


class Step(NamedTuple):
    "One thing to do."
    name: str
    share: float  # of the minutes, in the first round
    call: Callable[[Plan], list[str]]  # makes the command line when the step begins


def cells(plan: Plan) -> list[str]:
    return ["cells", "--device", plan.device, "--out", f"{plan.out}/cells.json"]


def pages(plan: Plan) -> list[str]:
    return ["cells", "--device", plan.device, "--out", f"{plan.out}/pages.json", "--whole",
            *plan.size("--jobs 8", "--pages runtime/03_seeds")]


def rates(plan: Plan) -> list[str]:
    return ["rates", "--device", plan.device, "--out", f"{plan.out}/rates.csv", *plan.size("", "--tiny")]


def bench(plan: Plan) -> list[str]:
    return ["rs_sr_bench", "--device", plan.device, "--out", f"{plan.out}/bench.csv",
            *plan.size("--works smooth,pgd,floor,train,tune,processes --tune_images 4 --rounds 5 --compile",
                       "--works floor --rounds 1")]


def certify(network: str, levels: str) -> Callable[[Plan], list[str]]:
    "Certify twenty test photographs with 100,000 draws."
    def call(plan: Plan) -> list[str]:
        return ["rs_sr_certify", network, "--data", str(plan.data), "--split", "test", "--sigma_g", levels,
                "--device", plan.device, "--out", f"{plan.out}/certificates-{network}.csv",
                *plan.size("--images 20 --k 100000", "--images 2 --k 50 --draws 5 --means 1 --crop 32")]
    return call


def epochs(plan: Plan, share: float) -> int:
    "Choose so many epochs as the measured rate of a training step allows in a share of the time."
    with open(plan.out / "rates.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["work"] == "training"]
    rate = float(rows[0]["images_a_second"])
    photographs = sum(1 for f in (plan.data / "train").rglob("*") if f.is_file())
    return max(1, int(0.8 * 60 * plan.minutes * share * rate / photographs))


def train(name: str, scale: int, eps_rel: float, share: float) -> Callable[[Plan], list[str]]:
    "Train a network on top of a robust filter, against attacks that start at the measurement."
    def call(plan: Plan) -> list[str]:
        attack = f"--method adversarial --scale {scale} --eps_rel {eps_rel} --attack_start measurement"
        half = "--mixed_precision bf16 --attack_precision bf16"
        return ["rs_sr_train", str(plan.data), f"{plan.out}/runs/{name}", *attack.split(), *half.split(),
                *plan.size(f"--model networks:{name} --batch_size 64 --epochs {epochs(plan, share)}",
                           "--model networks:tiny --batch_size 2 --crop 32 --region 40 --epochs 2"),
                *(["--cpu"] if plan.device == "cpu" else [])]
    return call


def judge(name: str) -> Callable[[Plan], list[str]]:
    "Attack a trained network with the ensemble, on test photographs, next to its filter."
    def call(plan: Plan) -> list[str]:
        run = plan.out / "runs" / name
        if not (run / "model.safetensors").is_file(): raise ValueError(f"{name} is not trained yet")
        return ["judge", "tiny" if plan.tiny else name, str(run), str(plan.data), "--device", plan.device,
                "--out", f"{plan.out}/judged-{name}.csv",
                *plan.size("", "--images 2 --crop 32 --steps 40 --radii 0 0.05")]
    return call


def leaderboard(listed: str) -> Callable[[Plan], list[str]]:
    "Attack every defence of a list on all test photographs."
    def call(plan: Plan) -> list[str]:
        lines = RESULTS / f"{listed}.csv"
        if plan.tiny:
            first = lines.read_text(encoding="utf-8").splitlines(keepends=True)[:2]
            lines = plan.out / f"{listed}.csv"
            lines.write_text("".join(first), encoding="utf-8")
        return attacked(plan, lines, f"leaderboard-{listed}", "--eps_rel 0,0.01,0.02,0.05,0.1,0.2")
    return call


def attacked(plan: Plan, lines: Path, name: str, options: str) -> list[str]:
    return ["rs_sr_leaderboard", str(lines), str(plan.data), "--split", "test", "--device", plan.device,
            "--out", f"{plan.out}/{name}.csv",
            *plan.size(options, "--eps_rel 0,0.05 --images 2 --crop 32 --steps 40 --smooth_steps 80")]


STEPS = (
    Step("cells", 0.1, cells),
    Step("rates", 0.1, rates),
    Step("bench", 0.1, bench),
    Step("certificates, noise0.1", 0.08, certify("unet-x2-noise0.1", "0.1")),
    Step("certificates, noise0.4", 0.12, certify("unet-x2-noise0.4", "0.25,0.5")),
    Step("training, x2 at 0.05", 0.12, train("x2_at_5", 2, 0.05, 0.12)),
    Step("judge, x2 at 0.05", 0.03, judge("x2_at_5")),
    Step("training, x4 at 0.05", 0.08, train("x4_at_5", 4, 0.05, 0.08)),
    Step("judge, x4 at 0.05", 0.02, judge("x4_at_5")),
    Step("training, x2 at 0.1", 0.1, train("x2_at_10", 2, 0.1, 0.1)),
    Step("judge, x2 at 0.1", 0.03, judge("x2_at_10")),
    Step("training, x4 at 0.1", 0.08, train("x4_at_10", 4, 0.1, 0.08)),
    Step("judge, x4 at 0.1", 0.02, judge("x4_at_10")),
    Step("leaderboard, x2", 0.1, leaderboard("defences")),
    Step("leaderboard, x4", 0.05, leaderboard("defences_x4")),
    Step("pages", 0.1, pages),
)
# a rehearsal certifies, trains and judges once
REHEARSED = ("cells", "rates", "bench", "certificates, noise0.1", "training, x2 at 0.05", "judge, x2 at 0.05",
             "leaderboard, x2", "pages")
