"""Compares `inkgrad score` with the Fréchet distances of torchmetrics and SciPy, alternating on the same machine.

    cargo build --release && pip install torch torchmetrics scipy numpy
    python benches/peer/frechet.py [--rows 5000] [--columns 2048] [--threads 2] [--rounds 3]

Features are random numbers after a ReLU, in files. One distance, without reading files and imports, each in a process of its own: ours is
`frechet::fid` of the library (examples/frechet.rs); torchmetrics' its own function (eigenvalues of Σ₁Σ₂) on means and covariances
taken as it does; LAPACK's a Cholesky factor L of Σ₁ and the eigenvalues of LᵀΣ₂L by SciPy. Then all scores that `score` prints,
with their floors, whole process.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]


def torchmetrics_way(real, made):
    import torch
    from torchmetrics.image.fid import _compute_fid

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    real, made = torch.from_numpy(real).double(), torch.from_numpy(made).double()
    start = time.perf_counter()

    def moments(x):
        mean = x.mean(dim=0)
        covariance = (x.t().mm(x) - len(x) * mean.unsqueeze(1).mm(mean.unsqueeze(0))) / (len(x) - 1)
        return mean, covariance

    (m1, s1), (m2, s2) = moments(real), moments(made)
    distance = float(_compute_fid(m1, s1, m2, s2))
    return time.perf_counter() - start, distance


def lapack(real, made):
    from scipy.linalg import cholesky, eigvalsh

    start = time.perf_counter()
    real, made = real.astype(np.float64), made.astype(np.float64)
    m1, s1 = real.mean(0), np.cov(real, rowvar=False)
    m2, s2 = made.mean(0), np.cov(made, rowvar=False)
    lower = cholesky(s1, lower=True)
    values = eigvalsh(lower.T @ s2 @ lower, check_finite=False)
    trace = np.sqrt(values.clip(0)).sum()
    distance = ((m1 - m2) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * trace
    return time.perf_counter() - start, float(distance)


PEERS = {"torchmetrics": torchmetrics_way, "LAPACK": lapack}


def theirs(name, files, threads):
    pools = {pool: str(threads) for pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    run = subprocess.run([sys.executable, __file__, "--worker", name, *files], check=True, capture_output=True, text=True,
                         env=os.environ | pools)
    return json.loads(run.stdout)


def distance_of_ours(files, threads):
    command = ["cargo", "run", "--release", "--quiet", "-p", "inkgrad-benches", "--example", "frechet", "--"]
    run = subprocess.run([*command, *files, str(threads)], check=True, capture_output=True, text=True, cwd=ROOT)
    return json.loads(run.stdout)


def all_scores(program, files, threads):
    command = [program, "score", "--real", files[0], "--generated", files[1], "--threads", str(threads)]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--columns", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ours", default=str(ROOT / "target" / "release" / "inkgrad"))
    args = parser.parse_args()
    subprocess.run(["cargo", "build", "--release", "-p", "inkgrad-benches", "--example", "frechet"], check=True, cwd=ROOT)
    with tempfile.TemporaryDirectory() as folder:
        rng, files = np.random.default_rng(0), []
        for name, shift in (("real", 0.0), ("made", 0.1)):
            files.append(f"{folder}/{name}.npy")
            np.save(files[-1], np.maximum(rng.standard_normal((args.rows, args.columns)) + shift, 0).astype(np.float32))
        print(f"{args.rows} x {args.columns}, {args.threads} threads, load {os.getloadavg()[0]:.2f}")
        sides = {name: partial(theirs, name, files, args.threads) for name in PEERS}
        sides["inkgrad"] = partial(distance_of_ours, files, args.threads)
        seconds = {name: [] for name in sides} | {"inkgrad, all scores": []}
        for turn in range(args.rounds):
            for name in sorted(sides, reverse=turn % 2 == 1):
                found = sides[name]()
                seconds[name].append(found["seconds"])
                print(f"{name:20} {found['seconds']:7.2f} s, distance {found['distance']:.10f}", flush=True)
            seconds["inkgrad, all scores"].append(all_scores(args.ours, files, args.threads))
            print(f"{'inkgrad, all scores':20} {seconds['inkgrad, all scores'][-1]:7.2f} s", flush=True)
        print("medians", {name: round(statistics.median(times), 2) for name, times in seconds.items()})


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        seconds, distance = PEERS[sys.argv[2]](*(np.load(path) for path in sys.argv[3:]))
        print(json.dumps({"seconds": seconds, "distance": distance}))
    else:
        main()
