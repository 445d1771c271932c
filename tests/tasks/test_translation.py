"""The translator: training in one call says the same as going step by step."""

import pytest
import torch

from gatewise.tasks.translation import Translator, select_rows

CELLS = ["lstm", "gru", "rnn", "peephole", "sru", "slstm"]


def network(cell="lstm", layers=1, shared=False):
    return Translator(7, 7 if shared else 5, cell, 6, layers, shared=shared).double().eval()


def batch():
    sources = torch.tensor([[1, 2, 3], [4, 6, 5], [0, 0, 6], [6, 0, 0]])
    targets = torch.tensor([[1, 4, 2], [2, 0, 3], [4, 0, 1], [0, 0, 4]])
    return sources, torch.tensor([4, 2, 3]), targets, torch.tensor([3, 1, 4])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 2])
def test_one_call_over_all_steps_equals_step_by_step(cell, layers):
    if cell == "sru" and layers == 2:
        pytest.skip("sru reads as many units as it has, and two directions give twice as many")
    model = network(cell, layers)
    sources, source_lengths, targets, target_lengths = batch()
    with torch.no_grad():
        whole = model.loss(*batch(), reduction="sum")
        memory = model.encode(sources, source_lengths)
        tokens, state, total = torch.full((3,), model.end), None, 0.0
        for step, row in enumerate(targets):
            logs, state = model.step(tokens, memory, state)
            real = step < target_lengths
            total -= float(logs[torch.arange(3), row][real].sum())
            tokens = row
    assert total == pytest.approx(float(whole), rel=1e-9)


def test_pairs_of_a_batch_do_not_meet():
    model = network()
    sources, source_lengths, targets, target_lengths = batch()
    with torch.no_grad():
        whole = model.loss(*batch(), reduction="sum")
        alone = 0.0
        for k in range(3):
            S, T = source_lengths[k : k + 1], target_lengths[k : k + 1]
            parts = sources[: int(S), k : k + 1], S, targets[: int(T), k : k + 1], T
            alone += float(model.loss(*parts, reduction="sum"))
    assert alone == pytest.approx(float(whole), rel=1e-9)


def test_rows_of_one_source_are_decoded_side_by_side():
    model = network()
    sources, lengths, *_ = batch()
    with torch.no_grad():
        memory = model.encode(sources, lengths)
        logs, state = model.step(torch.arange(6) % 5, memory, None)
        for k in range(3):
            one = model.encode(sources[:, k : k + 1], lengths[k : k + 1])
            two, _ = model.step((torch.arange(6) % 5)[2 * k : 2 * k + 2], one, None)
            torch.testing.assert_close(logs[2 * k : 2 * k + 2], two)
        order = torch.tensor([5, 0, 3, 3, 1, 2])
        asked = select_rows(state, order)
    torch.testing.assert_close(asked[0][0], state[0][0][:, order])


def test_attention_reads_nothing_behind_the_end():
    model = network()
    sources, lengths, *_ = batch()
    memory = model.encode(sources, lengths)
    _, weights = model.attend(torch.randn(3, 2, 6).double(), memory)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 2).double())
    assert not weights[1, :, 2:].any()


def test_every_weight_learns():
    model = network(shared=True).train()
    model.loss(*batch(), smoothing=0.1).backward()
    assert all(weight.grad is not None for weight in model.parameters())
    assert model.source_vectors is model.target_vectors
