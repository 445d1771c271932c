"""Calls of kernels: autograd, memory, and the floating-point mode."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import prod

import pytest
import torch

import gatewise as gw
from gatewise.backends import Operands
from gatewise.backends.llvm.execution.workspace import Workspace
from gatewise.backends.llvm.operation import backward_call, forward_call
from gatewise.backends.llvm.target import host
from gatewise.equations.rewrite import with_recurrent_mask
from tests.backends.llvm.comparison import (
    LLVM,
    REFERENCE,
    assert_equal,
    changed,
    inference,
    leaves_of,
    loss_of,
    lstm_case,
    moderate,
    training,
)


class TestRefusals:
    @pytest.mark.parametrize("sizes", [dict(T=0), dict(B=0)], ids=["T=0", "B=0"])
    def test_nothing_to_run_is_run_as_the_reference_does(self, sizes):
        case = lstm_case(**sizes)
        assert_equal(inference(LLVM, case), inference(REFERENCE, case), 0)
        assert_equal(training(LLVM, case), training(REFERENCE, case), 0)

    @pytest.mark.parametrize("sizes", [(0, 2), (3, 0)], ids=["T=0", "B=0"])
    def test_a_layer_accepts_an_empty_input(self, sizes):
        layer = gw.Recurrent("lstm", 5, 7)
        y, _ = layer(torch.zeros(*sizes, 5))
        assert y.shape == (*sizes, 7)

    def test_other_dtypes_and_mixtures_are_refused(self):
        case = lstm_case()
        half = changed(case, lambda value: value.half())
        assert "float16" in LLVM.refusal(half.recurrence, half.operands)
        mixed = replace(case.operands, states=half.operands.states)
        assert "one dtype" in LLVM.refusal(case.recurrence, mixed)

    def test_other_devices_are_refused(self):
        meta = changed(lstm_case(), lambda value: value.to("meta"))
        assert "meta" in LLVM.refusal(meta.recurrence, meta.operands)

    def test_functions_of_torch_func_run_on_the_reference(self):
        case = lstm_case()
        seen = []

        def run(x):
            operands = replace(case.operands, inputs={"x": x})
            seen.append(LLVM.refusal(case.recurrence, operands))
            return REFERENCE.run(case.recurrence, operands).output

        torch.func.vmap(run)(torch.stack([case.operands.x] * 2))
        assert "torch.func" in seen[0]


class TestAutograd:
    def test_several_forwards_before_the_backwards(self):
        cases = [lstm_case(seed=seed) for seed in range(3)]
        expected = [training(LLVM, case) for case in cases]
        graphs = [(case, leaves_of(case)) for case in cases]
        losses = [loss_of(case, leaves) for case, leaves in graphs]
        order = (1, 0, 2)
        for k in order:
            found = torch.autograd.grad(losses[k], list(graphs[k][1].values()))
            for name, gradient in zip(graphs[k][1], found, strict=True):
                assert torch.equal(gradient, expected[k][f"gradient of {name}"]), (k, name)

    def test_retain_graph_gives_the_same_gradients_twice(self):
        case = lstm_case()
        leaves = leaves_of(case)
        loss = loss_of(case, leaves)
        first = torch.autograd.grad(loss, list(leaves.values()), retain_graph=True)
        loss_of(lstm_case(seed=9), leaves_of(case))  # takes memory from the same pool
        second = torch.autograd.grad(loss, list(leaves.values()))
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))

    def test_a_second_backward_without_retain_graph_is_torchs_error(self):
        leaves = leaves_of(lstm_case())
        loss = loss_of(lstm_case(), leaves)
        loss.backward()
        with pytest.raises(RuntimeError, match="second time"):
            loss.backward()

    def test_gradients_add_up(self):
        case = lstm_case()
        leaves = leaves_of(case)
        for _ in range(2):
            loss_of(case, leaves).backward()
        once = training(LLVM, case)
        for name, leaf in leaves.items():
            torch.testing.assert_close(leaf.grad, 2 * once[f"gradient of {name}"])

    @pytest.mark.parametrize("name", ["lstm", "gru_original"])
    def test_gradcheck(self, name):
        case = moderate(gw.cells.get(name).graph, T=2, B=2, I=2, H=3)
        leaves = case.leaves()

        def run(*values):
            operands = case.with_leaves(dict(zip(leaves, values, strict=True)))
            result = LLVM.run(case.recurrence, operands)
            return (result.output, *result.states.values())

        values = [value.clone().requires_grad_() for value in leaves.values()]
        assert torch.autograd.gradcheck(run, values)
        assert torch.autograd.gradgradcheck(run, values)

    def test_gradients_of_gradients_equal_the_references(self):
        case = lstm_case()
        found = []
        for backend in (LLVM, REFERENCE):
            leaves = leaves_of(case)
            loss = loss_of(case, leaves, backend)
            first = torch.autograd.grad(loss, list(leaves.values()), create_graph=True)
            penalty = sum((g * g).sum() for g in first)
            found.append(torch.autograd.grad(penalty, list(leaves.values())))
        for a, b in zip(*found, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)

    def test_gradients_of_gradients_where_the_state_comes_from_the_input(self):
        case = lstm_case()
        found = []
        for backend in (LLVM, REFERENCE):
            x = case.operands.x.clone().requires_grad_()
            states = {"h": torch.tanh(x[0, :, :1] * torch.ones(7)), "c": case.operands.states["c"]}
            operands = replace(case.operands, inputs={"x": x}, states=states)
            y = backend.run(case.recurrence, operands).output
            found += torch.autograd.grad((y * case.output_gradient).sum(), x, create_graph=True)
        torch.testing.assert_close(*found)

    def test_inputs_and_states_without_gradient(self):
        case = lstm_case()
        expected = training(LLVM, case)
        leaves = case.leaves()
        wanted = [name for name in leaves if name.startswith("parameters")]
        for name in wanted:
            leaves[name] = leaves[name].clone().requires_grad_()
        loss_of(case, leaves).backward()
        for name in leaves:
            if name in wanted:
                torch.testing.assert_close(leaves[name].grad, expected[f"gradient of {name}"])
            else:
                assert leaves[name].grad is None

    def test_frozen_weights(self):
        case = lstm_case()
        leaves = case.leaves()
        for name in ("inputs x", "states c", "parameters U.f"):
            leaves[name] = leaves[name].clone().requires_grad_()
        loss_of(case, leaves).backward()
        expected = training(LLVM, case)
        for name in ("inputs x", "states c", "parameters U.f"):
            torch.testing.assert_close(leaves[name].grad, expected[f"gradient of {name}"])
        assert leaves["parameters U.i"].grad is None

    def test_only_some_results_are_used(self):
        case = lstm_case()
        for pick in (lambda r: r.output[1], lambda r: r.states["c"], lambda r: r.states["h"]):
            found = []
            for backend in (LLVM, REFERENCE):
                leaves = leaves_of(case)
                result = backend.run(case.recurrence, case.with_leaves(leaves))
                found.append(torch.autograd.grad(pick(result).sum(), list(leaves.values())))
            for a, b in zip(*found, strict=True):
                torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)

    def test_givens_that_are_broadcast(self):
        graph = with_recurrent_mask(gw.cells.lstm.graph, ("h",))
        case = moderate(graph, T=3, B=4, I=5, H=7)
        row = case.operands.givens["mask_h"][:1]
        case = replace(case, operands=replace(case.operands, givens={"mask_h": row}))
        assert_equal(training(LLVM, case), training(REFERENCE, case), 1e-10)

    @pytest.mark.parametrize("which", ["output", "x", "parameter"])
    def test_what_was_changed_in_place_is_torchs_error(self, which):
        case = lstm_case()
        leaves = leaves_of(case)
        x = leaves["inputs x"] * 1
        result = LLVM.run(case.recurrence, case.with_leaves({**leaves, "inputs x": x}))
        loss = result.output.sum() + (result.output**2).sum()
        with torch.no_grad():
            {"output": result.output, "x": x, "parameter": leaves["parameters U.i"]}[which].mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()

    def test_an_output_is_written_where_it_may_be(self):
        case = lstm_case()
        expected = inference(LLVM, case)["y"]
        whole = expected.new_full((expected.shape[0] + 2, *expected.shape[1:]), 7.0)
        room = whole[1:-1]
        with torch.no_grad():
            run = LLVM.run(case.recurrence, replace(case.operands, output=room))
        assert run.output is room
        assert torch.equal(room, expected)
        assert (whole[0] == 7).all()
        assert (whole[-1] == 7).all()
        # neither in training nor where rows do not follow each other
        learning = replace(case.with_leaves(leaves_of(case)), output=room)
        assert LLVM.run(case.recurrence, learning).output is not room
        apart = expected.new_empty(*expected.shape[:2], 2 * expected.shape[2])[..., ::2]
        with torch.no_grad():
            run = LLVM.run(case.recurrence, replace(case.operands, output=apart))
        assert run.output is not apart
        assert torch.equal(run.output, expected)

    def test_last_states_share_no_memory_with_the_output(self):
        case = lstm_case()
        result = LLVM.run(case.recurrence, case.operands)
        before = result.output.clone()
        for state in result.states.values():
            state.fill_(7)
        assert torch.equal(result.output, before)


class TestMemory:
    @pytest.fixture
    def pool(self, monkeypatch) -> Iterator[Workspace]:
        """A pool of this test alone."""
        pool = Workspace(small=0)
        for module in ("forward", "backward"):
            monkeypatch.setattr(f"gatewise.backends.llvm.execution.{module}.workspace", pool)
        forward_call.cache_clear()  # calls remember where they lease from
        backward_call.cache_clear()
        yield pool
        forward_call.cache_clear()
        backward_call.cache_clear()

    @staticmethod
    def free(pool: Workspace) -> set[int]:
        return {id(block) for blocks in pool._free.values() for block in blocks}

    def test_inference_keeps_nothing(self, pool):
        case = lstm_case()
        inference(LLVM, case)
        gc.collect()
        idle = self.free(pool)
        inference(LLVM, case)
        gc.collect()
        assert idle
        assert self.free(pool) == idle

    def test_saved_values_are_leased_while_the_graph_lives(self, pool):
        case = lstm_case()
        loss_of(case, leaves_of(case)).backward()
        gc.collect()
        idle = self.free(pool)
        loss = loss_of(case, leaves_of(case))
        gc.collect()
        leased = idle - self.free(pool)
        assert leased
        # another run finds other memory
        again = loss_of(lstm_case(seed=5), leaves_of(case))
        gc.collect()
        assert not leased & self.free(pool)
        del loss
        gc.collect()
        assert leased <= self.free(pool)
        del again

    def test_backward_gives_back_what_forward_saved(self, pool):
        case = lstm_case()
        loss = loss_of(case, leaves_of(case))
        gc.collect()
        before = self.free(pool)
        loss.backward()
        gc.collect()
        assert len(self.free(pool)) > len(before)  # though the loss is still there

    def test_a_training_loop_takes_no_new_memory(self, pool):
        case = lstm_case()
        taken = []
        for _ in range(4):
            loss_of(case, leaves_of(case)).backward()
            gc.collect()
            taken.append(self.free(pool))
        assert taken[1] == taken[2] == taken[3]

    def test_a_step_leases_what_the_formula_says(self, pool, monkeypatch):
        """Of an LSTM: i, f, g, o and the past of c, each padded to whole vectors."""
        leased = []
        lease = pool._lease

        def note(length: int, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
            leased.append(prod(shape))
            return lease(length, shape, dtype)

        monkeypatch.setattr(pool, "_lease", note)
        B, H = 600, 7  # more rows than a block of the backward pass, which is one step then
        totals = []
        for T in (10, 30):
            leased.clear()
            case = lstm_case(T=T, B=B, H=H)
            loss_of(case, leaves_of(case))
            totals.append(max(leased))
        padded = -(-H // host().lanes(8)) * host().lanes(8)
        assert totals[1] - totals[0] == 20 * B * 5 * padded

    def test_what_is_referred_to_is_not_used_again(self, pool):
        case = lstm_case()
        expected = {name: value.clone() for name, value in training(LLVM, case).items()}
        results = training(LLVM, case)
        for _ in range(3):
            training(LLVM, lstm_case(seed=8))
        assert all(torch.equal(results[name], value) for name, value in expected.items())


class TestDenormals:
    def test_the_callers_mode_stays_as_it_was(self):
        small = torch.tensor([1e-40])
        for count in (1, 2):
            torch.set_num_threads(count)
            training(LLVM, lstm_case(B=8))
            # 2⁻¹³³ survives a multiplication unless denormals are flushed
            assert float(small * 0.5) > 0
            assert float((small.expand(1 << 16) * 0.5).min()) > 0  # on every thread of torch's

    def test_a_callers_flushing_stays_too(self):
        torch.set_flush_denormal(True)
        try:
            inference(LLVM, lstm_case())
            assert float(torch.tensor([1e-40]) * 0.5) == 0
        finally:
            torch.set_flush_denormal(False)

    def test_denormal_numbers_are_not_slow(self):
        case = changed(moderate(gw.cells.lstm.graph, T=20, B=8, I=32, H=64), torch.Tensor.float)
        tiny = Operands(
            {"x": torch.full_like(case.operands.x, 1e-40)},
            {name: torch.full_like(v, 1e-40) for name, v in case.operands.states.items()},
            case.operands.parameters,
        )

        def fastest(operands: Operands) -> float:
            times = []
            with torch.no_grad():
                for _ in range(20):
                    start = time.process_time()
                    LLVM.run(case.recurrence, operands)
                    times.append(time.process_time() - start)
            return min(times)

        fastest(case.operands)
        # denormal arithmetic takes some hundred cycles each: twenty times as long in all
        assert fastest(tiny) < 3 * fastest(case.operands)

    def test_denormal_results_are_zero(self):
        case = changed(moderate(gw.cells.ran.graph, T=3, B=2, I=5, H=7), torch.Tensor.float)
        zero = changed(case, lambda value: torch.full_like(value, 1e-42))
        assert not inference(LLVM, zero)["last c"].any()


@pytest.mark.slow
class TestLength:
    def test_sixty_six_thousand_steps_equal_the_reference(self):
        case = moderate(gw.cells.lstm.graph, T=66_000, B=1, I=2, H=3)
        expected = inference(REFERENCE, case)
        found = inference(LLVM, case)
        assert_equal(found, expected, 1e-10)

    def test_buffers_beyond_two_to_the_31_bytes(self):
        """The whole at once equals its halves, one after the other, with the state in between."""
        T, B, H = 66_000, 16, 128  # saved values: 4 · T · B · H · 4 bytes = 2.2 · 10⁹
        case = moderate(gw.cells.lstm.graph, T=T, B=B, I=1, H=H)
        case = changed(case, torch.Tensor.float)
        case.output_gradient[: T // 2].zero_()
        whole = training(LLVM, case)
        half = T // 2
        first, second = (
            replace(
                case,
                operands=replace(case.operands, inputs={"x": case.operands.x[part]}),
                output_gradient=case.output_gradient[part],
            )
            for part in (slice(0, half), slice(half, T))
        )
        begun = inference(LLVM, first)
        states = {name: begun[f"last {name}"] for name in ("h", "c")}
        second = replace(second, operands=replace(second.operands, states=states))
        ended = training(LLVM, second)
        assert_equal({"y": whole["y"][half:]}, {"y": ended["y"]}, 1e-4)
        x = "gradient of inputs x"
        assert_equal({x: whole[x][half:]}, {x: ended[x]}, 1e-4)
