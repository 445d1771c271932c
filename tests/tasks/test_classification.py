import math

import pytest
import torch

import gatewise as gw
from gatewise.tasks.classification import NumberInput, SequenceClassifier, TokenInput
from gatewise.tasks.pooling import KINDS, Pooling


def classifier(**options):
    return SequenceClassifier(TokenInput(20, 6, None), 3, hidden=5, **options)


@pytest.mark.parametrize("pooling", KINDS)
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("cell", ["gru", "peephole"])
def test_what_lies_past_the_end_changes_nothing(pooling, bidirectional, cell):
    model = classifier(cell=cell, pooling=pooling, bidirectional=bidirectional).eval()
    lengths = torch.tensor([4, 9, 1])
    tokens = torch.randint(20, (9, 3))
    found = model(tokens, lengths)
    for column, length in enumerate(lengths.tolist()):
        alone = model(tokens[:length, column : column + 1])
        torch.testing.assert_close(found[column : column + 1], alone, atol=1e-6, rtol=1e-5)
    changed = tokens.clone()
    changed[4:, 0] = (tokens[4:, 0] + 1) % 20
    torch.testing.assert_close(model(changed, lengths), found)


def test_every_cell_of_one_input_classifies():
    for name in gw.cells.names():
        if set(gw.cells.get(name).graph.inputs) == {"x"} and name != "nas":
            source = NumberInput([0.0] * 5, [1.0] * 5, False)
            try:
                model = SequenceClassifier(source, 2, name, 5, bidirectional=False)
            except ValueError:  # sizes that only this cell's own options name
                continue
            assert model(torch.randn(3, 2, 5)).shape == (2, 2), name


def test_missing_values_are_the_mean_and_are_marked():
    source = NumberInput([2.0, 10.0], [2.0, 5.0], gaps=True)
    values = torch.tensor([[[4.0, torch.nan]]])
    assert source(values).tolist() == [[[1.0, 0.0, 0.0, 1.0]]]
    plain = NumberInput([2.0, 10.0], [2.0, 5.0], gaps=False)
    assert plain(values).tolist() == [[[1.0, 0.0]]]
    assert plain(torch.tensor([[[4, 20]]], dtype=torch.uint8)).tolist() == [[[1.0, 2.0]]]


def test_words_are_dropped_in_training_alone():
    source = TokenInput(10, 4, unknown=9, word_dropout=0.5)
    tokens = torch.zeros(200, 5, dtype=torch.long)
    embedded = source(tokens)
    unknown = (embedded == source.embedding.weight[9]).all(-1)
    assert 0.4 < unknown.float().mean() < 0.6
    assert (source.eval()(tokens) == source.embedding.weight[0]).all()
    blank = TokenInput(10, 4, unknown=None, word_dropout=0.5)(tokens)
    assert 0.4 < (blank == 0).all(-1).float().mean() < 0.6


def test_pooling_by_hand():
    y = torch.arange(12.0).reshape(3, 2, 2)  # (T, B, D)
    lengths = torch.tensor([2, 3])
    assert Pooling("mean", 2)(y, lengths).tolist() == [[2.0, 3.0], [6.0, 7.0]]
    assert Pooling("max", 2)(-y, lengths).tolist() == [[0.0, -1.0], [-2.0, -3.0]]
    assert Pooling("last", 2)(y, lengths).tolist() == [[4.0, 5.0], [10.0, 11.0]]
    assert Pooling("last", 2, 2)(y, lengths).tolist() == [[4.0, 1.0], [10.0, 3.0]]
    attention = Pooling("attention", 2)
    weights = attention.weights(y, torch.tensor([[False, False], [False, False], [True, False]]))
    torch.testing.assert_close(weights.sum(0), torch.ones(2))
    assert weights[2, 0] == 0


def test_what_is_no_pooling():
    with pytest.raises(ValueError, match="pooling: 'median' is none of last, mean"):
        classifier(pooling="median")


def test_forget_gates_begin_with_time_scales_up_to_the_memory():
    torch.manual_seed(0)
    source = NumberInput([0.0], [1.0], False)
    model = SequenceClassifier(source, 2, "lstm", 50, bidirectional=False, memory=30)
    forget = model.recurrent.weights()["b.f"]
    assert 0 <= forget.min() < 1
    assert 3 < forget.max() <= math.log(29) + 1e-6
