"""Compares `inkgrad tsne` with scikit-learn's or openTSNE's at equal settings and threads, alternating on the same machine.

    cargo build --release && pip install scikit-learn openTSNE
    inkgrad encode --run RUN --images X.npy --out z.npy     # latents (N, d); 17,500 x 128 of an lstm-ae in docs/results.md
    python benches/peer/tsne.py --input z.npy [--labels l.npy] [--threads 2] [--rounds 3]
    python benches/peer/tsne.py                             # scikit-learn's digits
    python benches/peer/tsne.py --peer openTSNE --random 200000x32 --no-quality

A time is that of neighbours, start and descent, without reading files. Each run of the peer has a process of its own, as
ours has; openTSNE interpolates on a grid (FIt-SNE) and chooses how to find neighbours, as by default. `--random NxD` draws
points around ten centres. Prints seconds, KL, trustworthiness T(12) and the 5 neighbours' label accuracy of both, the last two measured here
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
PERPLEXITY, ITERATIONS, EXAGGERATED, SEED = 30, 1000, 250, 42
NEIGHBOURS, VOTERS = 12, 5


def scikit_learn(points, threads):
    from sklearn.manifold import TSNE

    tsne = TSNE(perplexity=PERPLEXITY, init="pca", learning_rate="auto", max_iter=ITERATIONS, random_state=SEED,
                n_jobs=threads)
    start = time.perf_counter()
    embedded = tsne.fit_transform(points)
    return time.perf_counter() - start, embedded, float(tsne.kl_divergence_), int(tsne.n_iter_) + 1


def open_tsne(points, threads):
    from openTSNE import TSNE

    tsne = TSNE(perplexity=PERPLEXITY, initialization="pca", learning_rate="auto", early_exaggeration_iter=EXAGGERATED,
                n_iter=ITERATIONS - EXAGGERATED, negative_gradient_method="fft", random_state=SEED, n_jobs=threads)
    start = time.perf_counter()
    embedded = tsne.fit(points)
    return time.perf_counter() - start, np.asarray(embedded), float(embedded.kl_divergence), ITERATIONS


PEERS = {"scikit-learn": scikit_learn, "openTSNE": open_tsne}


def worker(peer, source, out, threads):
    """One run of the peer, in a process whose thread pools were told their size when it started."""
    seconds, embedded, kl, iterations = PEERS[peer](np.load(source), threads)
    np.save(out, embedded)
    print(json.dumps({"seconds": seconds, "kl": kl, "iterations": iterations}))


def theirs(peer, source, out, threads):
    pools = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    command = [sys.executable, __file__, "--worker", peer, source, out, str(threads)]
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
    parser.add_argument("--random", metavar="NxD", help="points around ten centres, instead of --input")
    parser.add_argument("--peer", choices=PEERS, default="scikit-learn")
    parser.add_argument("--no-quality", action="store_true", help="no trustworthiness, which takes minutes of many points")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ours", default=str(ROOT / "target" / "release" / "inkgrad"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        labels = np.load(args.labels) if args.labels else None
        source = args.input
        if args.random:
            count, width = map(int, args.random.split("x"))
            rng, source = np.random.default_rng(SEED), f"{folder}/random.npy"
            centres = 3 * rng.standard_normal((10, width))
            points = centres[rng.integers(0, 10, count)] + rng.standard_normal((count, width))
            np.save(source, points.astype(np.float32))
        if source is None:
            from sklearn.datasets import load_digits

            digits = load_digits()
            source, labels = f"{folder}/digits.npy", digits.target
            np.save(source, digits.data.astype(np.float32))
        points = np.load(source)
        print(f"{len(points)} points of {points.shape[1]}, {args.threads} threads, load {os.getloadavg()[0]:.2f}")
        ratios = []
        for turn in range(args.rounds):
            out = {args.peer: f"{folder}/theirs.npy", "inkgrad": f"{folder}/ours.npy"}
            runs = {
                args.peer: lambda: theirs(args.peer, source, out[args.peer], args.threads),
                "inkgrad": lambda: ours(args.ours, source, out["inkgrad"], args.threads),
            }
            found = {name: runs[name]() for name in sorted(runs, reverse=turn % 2 == 0)}
            ratios.append(found[args.peer]["seconds"] / found["inkgrad"]["seconds"])
            for name, result in found.items():
                line = f"{name:12} {result['seconds']:8.2f} s, KL {result['kl']:.4f}, {result['iterations']} iterations"
                # The same seed gives the same points each time.
                if turn == 0 and not args.no_quality:
                    embedded = np.load(out[name])
                    line += f", trustworthiness {trustworthiness(points, embedded):.4f}"
                    if labels is not None:
                        line += f", label accuracy {accuracy(embedded, labels):.4f}"
                print(line, flush=True)
        print(f"median ratio of {args.rounds}: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(*sys.argv[2:5], int(sys.argv[5]))
    else:
        main()
