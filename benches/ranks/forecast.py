"""Forecasts the efficiency of training over many ranks from constants that `inkgrad bench --distributed mpi` measures.

A step on R ranks, of B drawings in all and P parameters:

    T(R) = t0 + t1·B/R + a·P/R  +  max(D − h·t1·B/R, D·last) + D  +  (3·⌈log2 R⌉ + 2·min(R − 1, 64))·latency,   D = 4·P·(R − 1)/R / bandwidth

t0 + t1·b is a rank's own time for b drawings; a is Adam's time a parameter (28 bytes at 10 GB/s), of which each rank moves its share.
A rank sends each owner its share of the gradient, with as many parts as ranks, and the parameters that it moved to all. MPI's gathers go
in ⌈log2 R⌉ rounds; of an exchange of all with all, 64 messages are taken to cost their latency and the rest, further pieces too, to
overlap. The gradient travels while the backward goes on, for h of a rank's own time, but for what is there at its end alone: the last
piece, 65,536 numbers, of the share of the first layers, which all ranks send to one owner then. `last` is its part of that share.
Without --overlap h is 0.
"""

import argparse

PAIRS = 64
ADAM_MS = 2.8e-6
PIECE = 65536
NETWORKS = {"shared memory, as here": (None, None), "25 Gbit/s Ethernet": (20e-3, 2.5e9), "200 Gbit/s InfiniBand": (3e-3, 20e9)}


def step(model, ranks, batch, latency, bandwidth, overlap):
    t0, t1, parameters = model
    bits = (ranks - 1).bit_length()
    own = t1 * batch / ranks
    data = 4 * parameters * (ranks - 1) / ranks / bandwidth * 1e3
    last = min(PIECE * ranks / parameters, 1)
    waits = max(data - overlap * own, data * last)
    messages = (3 * bits + 2 * min(ranks - 1, PAIRS)) * latency * (ranks > 1)
    return t0 + own + ADAM_MS * parameters / ranks + waits + data + messages


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency-us", type=float, required=True, help="of shared memory: a message of a byte to all")
    parser.add_argument("--bandwidth-gb", type=float, required=True, help="of shared memory: bytes of an exchange a second")
    parser.add_argument("--overlap", type=float, default=0.0, help="of a rank's own time, while which gradients travel")
    parser.add_argument("--model", action="append", required=True, metavar="NAME,T0,T1,PARAMETERS,BATCH")
    args = parser.parse_args()
    ranks = [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096]
    for network, (latency, bandwidth) in NETWORKS.items():
        latency = latency or args.latency_us * 1e-3
        bandwidth = bandwidth or args.bandwidth_gb * 1e9
        print(f"\n{network}: {latency * 1e3:.0f} µs, {bandwidth / 1e9:.1f} GB/s\n")
        for kind in ("strong", "weak"):
            print(f"| {kind}: model (batch) | " + " | ".join(map(str, ranks)) + " |")
            print("|---" * (len(ranks) + 1) + "|")
            for text in args.model:
                name, t0, t1, parameters, batch = text.split(",")
                model, batch = (float(t0), float(t1), float(parameters)), float(batch)
                one = step(model, 1, batch, latency, bandwidth, args.overlap)
                row = []
                for n in ranks:
                    if kind == "strong" and n > batch:
                        row.append("–")
                        continue
                    time = step(model, n, batch if kind == "strong" else batch * n, latency, bandwidth, args.overlap)
                    efficiency = one / (n * time) if kind == "strong" else one / time
                    row.append(f"{efficiency * 100:.0f}")
                print(f"| {name} ({batch:.0f}) | " + " | ".join(row) + " |")
            print()


if __name__ == "__main__":
    main()
