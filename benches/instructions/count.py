#!/usr/bin/env python3
"""Counts the instructions of training steps under Valgrind's callgrind, and holds them to a budget.

    benches/instructions/count.py            # exit status 1 where a count is off its budget by more than 3 %
    benches/instructions/count.py --write    # make today's counts the budget

Times on a shared machine are noise; counts repeat to a part in a thousand. They don't tell cache misses or stalls, so a
change is still measured by `benches/peer/run.sh`; but a kernel that lost its vector code, a copy where there was none,
or a matrix packed twice shows here. Needs a release build (`cargo build --release`), `valgrind` and AVX2, the vectors
that Valgrind knows; it computes a fused multiply-add slowly, so batches are small.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUDGET = HERE / "budget.json"
TOLERANCE = 0.03
BATCHES = {"lstm-ae": 4, "cnn-ae": 16, "rnn-vae": 1, "cnn-vae": 2, "cvae": 2, "classifier": 64}
STEP = "inkgrad_models::trainer::step::Stepper::step"


def instructions(program, model, batch):
    """Of the three steps that warm `bench` up: building the plan, then computing it three times."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", "--collect-atstart=no", f"--toggle-collect={STEP}"]
        command += [f"--callgrind-out-file={folder}/out", program, "bench", "--model", model, "--paced"]
        command += ["--batch-size", str(batch), "--drawings", "64", "--threads", "1"]
        run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or not found or int(found[1]) == 0:
        sys.exit(f"error: {model}: exit status {run.returncode}, no count:\n{run.stderr}")
    return int(found[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="make today's counts the budget")
    args = parser.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("error: no valgrind, expected it to be installed (Debian: apt-get install valgrind)")
    program = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"), "release", "inkgrad")
    if not program.exists():
        sys.exit(f"error: no {program}, expected a release build (cargo build --release)")

    budget = json.loads(BUDGET.read_text()) if BUDGET.exists() else {}
    counts, off = {}, []
    print("| model | batch | million instructions | budget | change |\n|---|---|---|---|---|", flush=True)
    for model, batch in BATCHES.items():
        counts[model] = count = instructions(program, model, batch)
        allowed = budget.get(model, count)
        change = count / allowed - 1
        if abs(change) > TOLERANCE:
            off.append(model)
        print(f"| {model} | {batch} | {count / 1e6:.1f} | {allowed / 1e6:.1f} | {change:+.1%} |", flush=True)
    if args.write:
        BUDGET.write_text(json.dumps(counts, indent=4) + "\n")
    elif missing := [model for model in BATCHES if model not in budget]:
        sys.exit(f"error: {BUDGET}: no budget of {', '.join(missing)}, expected one (--write)")
    elif off:
        sys.exit(f"error: {', '.join(off)}: off the budget by more than {TOLERANCE:.0%}; meant? then --write it")


if __name__ == "__main__":
    main()
