"""Times PyTorch's training step on several processes of this machine, over gloo: DistributedDataParallel, or one reduction of all
gradients after the backward, as Horovod has it. Prints one JSON object: the median of each process's steps, the slowest of them."""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "peer"))
from torch_models import CLASSES, MODELS  # noqa: E402
from torch_step import IMAGES, WARM_UP, drawings  # noqa: E402


class Loss(torch.nn.Module):
    """A model whose forward is its loss, so that DistributedDataParallel sees all of it."""

    def __init__(self, spec):
        super().__init__()
        self.spec, self.model = spec, spec.build()

    def forward(self, images, labels):
        return self.spec.loss(self.model, images, labels, None)[0]


def reduce_all(parameters, ranks):
    """The mean of all gradients, in one message."""
    flat = torch.cat([p.grad.reshape(-1) for p in parameters])
    dist.all_reduce(flat)
    flat /= ranks
    for p, grad in zip(parameters, torch.split(flat, [p.numel() for p in parameters])):
        p.grad.copy_(grad.view_as(p))


def work(rank, args, results):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(args.port), GLOO_SOCKET_IFNAME="lo")
    dist.init_process_group("gloo", rank=rank, world_size=args.ranks)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    spec = MODELS[args.model]
    batch = args.batch // args.ranks
    generator = torch.Generator().manual_seed(rank)
    images = drawings(generator)
    labels = torch.randint(CLASSES, (IMAGES,), generator=generator)
    loss = Loss(spec)
    parameters = list(loss.parameters())
    optimiser = torch.optim.Adam(parameters, lr=1e-3)
    model = torch.nn.parallel.DistributedDataParallel(loss) if args.way == "ddp" else loss
    times = []
    for i in range(args.steps + WARM_UP):
        rows = torch.randint(IMAGES, (batch,), generator=generator)
        dist.barrier()
        start = time.perf_counter()
        optimiser.zero_grad()
        value = model(images[rows], labels[rows])
        value.backward()
        if args.way == "all-reduce":
            reduce_all(parameters, args.ranks)
        optimiser.step()
        value.item()
        if i >= WARM_UP:
            times.append((time.perf_counter() - start) * 1e3)
    results.put(statistics.median(times))
    dist.barrier()
    dist.destroy_process_group()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, choices=MODELS)
    parser.add_argument("--batch", type=int, required=True, help="of all processes together")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--way", choices=["ddp", "all-reduce"], default="ddp")
    parser.add_argument("--port", type=int, default=29511)
    args = parser.parse_args()
    results = mp.get_context("spawn").SimpleQueue()
    mp.spawn(work, (args, results), nprocs=args.ranks)
    slowest = max(results.get() for _ in range(args.ranks))
    print(json.dumps({"model": args.model, "way": args.way, "ranks": args.ranks, "threads": args.threads,
                      "batch_size": args.batch, "ms_per_step": slowest, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
