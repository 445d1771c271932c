import polars as pl

from gatewise.data.labelled.batches import Batches
from gatewise.data.labelled.dataset import Preparation, prepare_dataset
from gatewise.data.labelled.example_files import read_examples


def batches(folder, count=500, size=8):
    rows = [("w " * (1 + k % 23), f"c{k % 2}") for k in range(count)]
    frame = pl.DataFrame(rows, schema=["text", "label"], orient="row")
    dataset = prepare_dataset(read_examples(frame), None, None, Preparation(), folder)
    return Batches(*dataset.open("training"), size, seed=3)


def test_an_epoch_has_every_example_once_in_batches_of_equal_length(tmp_path):
    made = batches(tmp_path)
    seen, padding, stream = [], 0, made.training((0, 0))
    for _ in range(made.per_epoch):
        batch = next(stream)
        seen += batch.lengths.tolist()
        padding += batch.inputs.numel() - int(batch.lengths.sum())
    assert sorted(seen) == sorted(made.inputs.lengths.tolist())
    assert batch.cursor == (1, 0)
    assert padding < 0.1 * sum(seen)


def test_batches_go_on_from_any_place(tmp_path):
    made = batches(tmp_path)
    stream = made.training((0, 0))
    straight = [next(stream) for _ in range(2 * made.per_epoch)]
    assert not (made.order(0)[0][:4] == made.order(1)[0][:4]).all()
    for at in (1, made.per_epoch, made.per_epoch + 3):
        resumed = next(made.training(straight[at - 1].cursor))
        assert (resumed.inputs == straight[at].inputs).all()
        assert resumed.cursor == straight[at].cursor


def test_measuring_goes_through_everything_once(tmp_path):
    made = batches(tmp_path)
    lengths = [length for batch in made.once() for length in batch.lengths.tolist()]
    assert lengths == sorted(made.inputs.lengths.tolist())
