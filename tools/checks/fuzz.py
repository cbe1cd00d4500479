"""Throw 200 generated situations at the functions and commands of rs_sr: a right result or one sentence.

    python tools/checks/fuzz.py [family ...]

The situations are the same at every run. Each gives a right result (see situations.py), or an error that
rs_sr itself or the user's model raises, whose message is one sentence, and from a command exit code 2. For
what fails, the smallest example is printed that hypothesis finds.
"""
import argparse
import ast
import contextlib
import io
import random
import sys
import tempfile
import time
import traceback
import warnings
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis.errors import NoSuchExample
from situations import FAMILIES, Family

ROOT = Path(__file__).resolve().parents[2]
SENTENCES = (ValueError, TypeError, RuntimeError, OSError, IndexError, ArithmeticError, ImportError)
REPEATABLE = dict(derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))


@cache
def raising_lines(path: str) -> set[int]:
    "List the lines of a file that belong to a `raise`."
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise): lines |= set(range(node.lineno, node.end_lineno + 1))
    return lines


def fault_of(error: BaseException) -> str:
    "Say why an error is no sentence of ours; an empty text if it is one."
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1]
    what = f"{type(error).__name__}: {str(error)[:300]}"
    where = f"{Path(last.filename).name}:{last.lineno}"
    ours = (ROOT / "rs_sr") in Path(last.filename).parents and last.lineno in raising_lines(last.filename)
    models_own = any(Path(frame.filename).name == "forms.py" for frame in frames)
    if not isinstance(error, SENTENCES) or not (ours or models_own):
        return f"from the depths, {where}: {what}"
    return f"several lines: {what}" if "\n" in str(error) or len(str(error).split()) < 4 else ""


def fault_of_exit(stop: SystemExit, said: str) -> str:
    "Say why the end of a command is no sentence."
    lines = [line for line in said.splitlines() if line.strip() and "it/s]" not in line]
    if stop.code in (0, None): return ""
    if stop.code != 2: return f"exit code {stop.code}: {said[-300:]}"
    if not lines or not lines[-1].startswith("rs_sr_"): return f"no sentence: {said[-300:]}"
    if isinstance(stop.__context__, SENTENCES): return fault_of(stop.__context__)
    return ""


class Verdict(NamedTuple):
    "What came of a situation."
    fault: str  # empty: none
    refusal: str = ""  # what was said; empty: there was a result


def judged(family: Family, situation) -> Verdict:
    "Try one situation."
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    said = io.StringIO()
    with contextlib.ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        held.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        held.enter_context(contextlib.redirect_stderr(said))
        held.enter_context(contextlib.redirect_stdout(io.StringIO()))
        try: return Verdict(family.trial(situation, folder))
        except SystemExit as stop:
            text = said.getvalue()
            return Verdict(fault_of_exit(stop, text), text[-300:] if stop.code else "")
        except AssertionError as error: return Verdict(str(error), str(error))
        except Exception as error: return Verdict(fault_of(error), f"{type(error).__name__}: {error}")
        finally: sys.modules.pop("my_models", None)


def generated(family: Family) -> list:
    "Make the situations of a family, all different."
    found: dict[str, object] = {}

    @settings(max_examples=4 * family.count, phases=[Phase.generate], **REPEATABLE)
    @given(family.strategy)
    def collect(situation): found.setdefault(repr(situation), situation)

    collect()
    values = list(found.values())
    return [values[i * len(values) // family.count] for i in range(family.count)]


def smallest(family: Family, seconds: float = 20):
    "Look for the smallest example that fails; None if it is not found again."
    end, known = time.monotonic() + seconds, {}

    def fails(situation) -> bool:
        name = repr(situation)
        if name not in known: known[name] = time.monotonic() < end and bool(judged(family, situation).fault)
        return known[name]

    try: return find(family.strategy, fails, settings=settings(max_examples=family.count, **REPEATABLE))
    except NoSuchExample: return None


def main() -> None:
    "Try all situations of all families; exit with 1 if any fails."
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("families", nargs="*", help=f"of {', '.join(FAMILIES)}; none: all")
    parser.add_argument("--sentences", action="store_true", help="also print what was refused, and how")
    options = parser.parse_args()
    torch.set_num_threads(1)
    right = total = 0
    for name in options.families or FAMILIES:
        family, start = FAMILIES[name], time.monotonic()
        verdicts = [(s, judged(family, s)) for s in generated(family)]
        faults = [(s, verdict.fault) for s, verdict in verdicts if verdict.fault]
        refused = sum(bool(verdict.refusal) for _, verdict in verdicts)
        total, right = total + family.count, right + family.count - len(faults)
        print(f"{name}: {family.count - len(faults)} of {family.count}, {refused} refused "
              f"({time.monotonic() - start:.0f} s)", flush=True)
        for situation, verdict in verdicts if options.sentences else ():
            if verdict.refusal: print(f"  {' '.join(verdict.refusal.split())[:200]}\n    {situation}")
        for situation, text in faults: print(f"  {' '.join(text.split())[:400]}\n    {situation}", flush=True)
        if faults: print(f"  smallest example: {smallest(family)}", flush=True)
    print(f"{right} of {total}")
    sys.exit(right < total)


if __name__ == "__main__":
    main()
