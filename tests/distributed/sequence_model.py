"""Train a small model for some steps in one process or several, and print its losses as JSON.

`test_data_parallel.py` calls it for one process, and runs it under torchrun for several:
``sequence_model.py MODE``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import torch
from torch import Tensor, distributed, nn

import gatewise as gw

STEPS, T, B, TOKENS, H = 20, 12, 8, 11, 16


class SequenceModel(nn.Module):
    """Torch's embedding and head around two of our layers."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(TOKENS, H)
        self.lower = gw.LSTM(H, H, num_layers=2)
        self.upper = gw.Recurrent("peephole", H, H, bidirectional=True)
        self.head = nn.Linear(2 * H, TOKENS)

    def forward(self, tokens: Tensor) -> Tensor:
        between = self.lower(self.embedding(tokens))[0]
        return self.head(self.upper(between)[0])


def batches() -> Iterator[tuple[Tensor, Tensor]]:
    """What all processes train on, the same in each: tokens and what to make of them."""
    generator = torch.Generator().manual_seed(7)
    for _ in range(STEPS):
        tokens = torch.randint(TOKENS, (T, B), generator=generator)
        yield tokens, (3 * tokens + 1) % TOKENS


def wrapped(model: nn.Module, mode: str) -> nn.Module:
    """The model as the mode asks."""
    if mode == "ddp":
        return nn.parallel.DistributedDataParallel(model)
    if mode == "fully_shard":
        from torch.distributed.fsdp import fully_shard

        mesh = distributed.init_device_mesh("cpu", (distributed.get_world_size(),))
        for layer in (model.lower, model.upper, model):
            fully_shard(layer, mesh=mesh)
    return model


def train(mode: str) -> list[float]:
    """Losses of the whole batch, step by step."""
    rank, number = 0, 1
    if mode != "alone":
        distributed.init_process_group("gloo")
        rank, number = distributed.get_rank(), distributed.get_world_size()
    torch.manual_seed(3)
    model = wrapped(SequenceModel(), mode)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for tokens, targets in batches():
        own = slice(rank * B // number, (rank + 1) * B // number)
        with gw.use_backend("llvm"):
            logits = model(tokens[:, own])
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), targets[:, own].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total = loss.detach().clone()
        if number > 1:
            distributed.all_reduce(total)
        losses.append(total.item() / number)
    if mode != "alone":
        distributed.barrier()
        distributed.destroy_process_group()
    return losses if rank == 0 else []


if __name__ == "__main__":
    torch.set_num_threads(1)
    found = train(sys.argv[1])
    if found:
        print(json.dumps(found))
