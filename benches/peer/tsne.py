"""Compares `inkgrad tsne` with scikit-learn's TSNE at equal settings and threads, alternating on the same machine.

    cargo build --release && pip install scikit-learn==1.9.1
    inkgrad encode --run RUN --images X.npy --out z.npy     # latents (N, d); 17,500 x 128 of an lstm-ae in docs/results.md
    python benches/peer/tsne.py --input z.npy [--labels l.npy] [--threads 2] [--rounds 3]
    python benches/peer/tsne.py                             # scikit-learn's digits

A time is that of neighbours, start and descent, without reading files. Each scikit-learn run has a process of its own, as
ours has. Prints seconds, KL, trustworthiness T(12) and the 5 neighbours' label accuracy of both, the last two measured here
by the same code, and the median of the ratios of times (above 1, we are faster).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PERPLEXITY, ITERATIONS, SEED = 30, 1000, 42
NEIGHBOURS, VOTERS = 12, 5


def worker(source, out, threads):
    """One run of scikit-learn, in a process whose thread pools were told their size when it started."""
    from sklearn.manifold import TSNE

    points = np.load(source)
    tsne = TSNE(perplexity=PERPLEXITY, init="pca", learning_rate="auto", max_iter=ITERATIONS, random_state=SEED,
                n_jobs=threads)
    start = time.perf_counter()
    embedded = tsne.fit_transform(points)
    seconds = time.perf_counter() - start
    np.save(out, embedded)
    print(json.dumps({"seconds": seconds, "kl": float(tsne.kl_divergence_), "iterations": int(tsne.n_iter_) + 1}))


def scikit_learn(source, out, threads):
    pools = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    command = [sys.executable, __file__, "--worker", source, out, str(threads)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | pools).stdout)


def ours(program, source, out, threads):
    command = [program, "tsne", "--input", source, "--out", out, "--perplexity", str(PERPLEXITY), "--iterations",
               str(ITERATIONS), "--seed", str(SEED), "--threads", str(threads), "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def trustworthiness(points, embedded, rows=500):
    """scikit-learn's score, without its three matrices of N x N."""
    from sklearn.metrics.pairwise import euclidean_distances
    from sklearn.neighbors import NearestNeighbors

    n, k = len(points), NEIGHBOURS
    near = NearestNeighbors(n_neighbors=k).fit(embedded).kneighbors(return_distance=False)
    points = points.astype(np.float64)
    beyond = 0
    for first in range(0, n, rows):
        last = min(first + rows, n)
        distances = euclidean_distances(points[first:last], points, squared=True)
        distances[np.arange(last - first), np.arange(first, last)] = np.inf
        limits = np.take_along_axis(distances, near[first:last], axis=1)
        for row, limit in zip(np.sort(distances, axis=1), limits):
            beyond += np.maximum(np.searchsorted(row, limit) + 1 - k, 0).sum()
    return 1 - 2 * beyond / (n * k * (2 * n - 3 * k - 1))


def accuracy(embedded, labels):
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=VOTERS).fit(embedded).kneighbors(return_distance=False)
    return np.mean([np.bincount(labels[row]).argmax() == label for row, label in zip(near, labels)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", help="latents (N, d); scikit-learn's digits without it")
    parser.add_argument("--labels")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ours", default=str(ROOT / "target" / "release" / "inkgrad"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        labels = np.load(args.labels) if args.labels else None
        source = args.input
        if source is None:
            from sklearn.datasets import load_digits

            digits = load_digits()
            source, labels = f"{folder}/digits.npy", digits.target
            np.save(source, digits.data.astype(np.float32))
        points = np.load(source)
        print(f"{len(points)} points of {points.shape[1]}, {args.threads} threads, load {os.getloadavg()[0]:.2f}")
        ratios = []
        for turn in range(args.rounds):
            out = {"scikit-learn": f"{folder}/theirs.npy", "inkgrad": f"{folder}/ours.npy"}
            runs = {
                "scikit-learn": lambda: scikit_learn(source, out["scikit-learn"], args.threads),
                "inkgrad": lambda: ours(args.ours, source, out["inkgrad"], args.threads),
            }
            found = {name: runs[name]() for name in sorted(runs, reverse=turn % 2 == 0)}
            ratios.append(found["scikit-learn"]["seconds"] / found["inkgrad"]["seconds"])
            for name, result in found.items():
                line = f"{name:12} {result['seconds']:8.2f} s, KL {result['kl']:.4f}, {result['iterations']} iterations"
                # The same seed gives the same points each time.
                if turn == 0:
                    embedded = np.load(out[name])
                    line += f", trustworthiness {trustworthiness(points, embedded):.4f}"
                    if labels is not None:
                        line += f", label accuracy {accuracy(embedded, labels):.4f}"
                print(line, flush=True)
        print(f"median ratio of {args.rounds}: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
