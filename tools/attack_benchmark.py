"""Compare the ensemble with that of an earlier revision, at equal passes.

    python tools/attack_benchmark.py                 writes data/results/attack_benchmark.csv; rerun to resume
    python tools/attack_benchmark.py --linear        writes data/results/attack_linear.csv
    python tools/attack_benchmark.py --search DATA   writes data/results/attack_stuck.csv

The first line is `rs_sr_bench --works attacks` on the embedded photographs with one attack more, the ensemble
of revision b1496c2. The second attacks linear estimators, whose exact worst case is one attack more. The
third looks through all photographs of DATA/val for those on which the earlier ensemble was stuck: both
ensembles attack each of them with 120 passes. The earlier revision runs in a process of its own, from an
unpacked archive; the networks and the measuring are those of this checkout. The rows are kept as .csv.xz:
`xz -dk` them to go on with a run.
"""
import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from rs_sr.benchmark import ATTACKS, LINEAR, NETWORKS, Bench, Case, attack_strength, exact_worst_case
from rs_sr.benchmark import installed_peers, strength_table

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "data" / "results"
FORMER = "former ensemble"
PROGRAM = '''
import sys, torch
sys.path.insert(0, sys.argv[1])
import rs_sr.attacks, rs_sr.models, rs_sr.physics
assert rs_sr.__file__.startswith(sys.argv[1]), "another installation of rs_sr is in the way"
models = {}

def network(name):
    "Load a network once."
    model = rs_sr.models.load_network(name.removeprefix("projection "))
    if name.startswith("projection "): return torch.nn.Sequential(rs_sr.physics.Projection(2), model).eval()
    return model

for line in sys.stdin:
    case = torch.load(line.strip())
    name = case["network"]
    models[name] = models.get(name) or network(name)
    rng = torch.Generator().manual_seed(case["seed"])
    given = models[name], case["y"], case["x"], case["eps"]
    found = rs_sr.attacks.attack_ensemble(*given, passes=case["passes"], generator=rng)
    torch.save(found.y, line.strip())
    print("done", flush=True)
'''


class Former:
    "The ensemble of an earlier revision, in a process of its own."
    def __init__(self, revision: str):
        self.folder = tempfile.TemporaryDirectory()
        archive = ["git", "archive", revision, "rs_sr"]
        tree = subprocess.run(archive, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["tar", "-x", "-C", self.folder.name], input=tree, check=True)
        self.file = Path(self.folder.name) / "case.pt"
        self.process = subprocess.Popen([sys.executable, "-c", PROGRAM, self.folder.name], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=self.folder.name)

    def __call__(self, case: Case) -> Tensor:
        "Attack one case."
        torch.save({name: value for name, value in case._asdict().items() if name != "model"}, self.file)
        self.process.stdin.write(f"{self.file}\n")
        self.process.stdin.flush()
        if self.process.stdout.readline().strip() != "done": raise RuntimeError("the earlier ensemble failed")
        return torch.load(self.file)

    def close(self) -> None:
        "End the process."
        self.process.stdin.close()
        self.process.wait()
        self.folder.cleanup()


def arguments() -> argparse.Namespace:
    "Read the command line."
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--search", metavar="DATA", help="folder with a val split, to search for stuck ones")
    parser.add_argument("--linear", action="store_true", help="attack linear estimators")
    parser.add_argument("--revision", default="b1496c2", help="of the former ensemble")
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--radii", nargs="+", type=float, default=(0.02, 0.05, 0.1))
    parser.add_argument("--passes", nargs="+", type=int, default=(80, 120, 240))
    parser.add_argument("--images", type=int, default=16, help="photographs, spread over the sample")
    parser.add_argument("--crop", type=int, default=96)
    return parser.parse_args()


def chosen(options: argparse.Namespace, former: Former | None) -> tuple[str, dict, Sequence[str]]:
    "Choose the name of the file, the attacks and what they attack."
    both = {"ensemble": ATTACKS["ensemble"], FORMER: former}
    if options.search: return "attack_stuck", both, options.networks
    ways = ATTACKS | installed_peers()
    if options.linear: return "attack_linear", ways | {"exact": exact_worst_case}, LINEAR
    return "attack_benchmark", ways | both, options.networks


def main() -> None:
    "Attack with everything, or search with the two ensembles."
    options = arguments()
    former = None if options.linear else Former(options.revision)
    name, ways, networks = chosen(options, former)
    setup, out = Bench(options.search or "", images=options.images), RESULTS / f"{name}.csv"
    try:
        rows = attack_strength(setup, out, ways=ways, networks=networks, radii=options.radii,
                               passes=options.passes, crop=options.crop)
    finally:
        if former: former.close()
    print(strength_table(rows).round(3).to_string())


if __name__ == "__main__": main()
