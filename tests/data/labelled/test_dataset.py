import numpy as np
import polars as pl
import pytest

from gatewise.data.labelled.dataset import FILES, Dataset, Preparation, prepare_dataset
from gatewise.data.labelled.example_files import read_examples
from gatewise.data.labelled.features import build_number_features
from gatewise.data.source import DataError


def frame(count, classes=3):
    rows = [(f"word{k % 7} and w{k}", f"c{k % classes}") for k in range(count)]
    return pl.DataFrame(rows, schema=["text", "label"], orient="row")


def prepared(data, folder, **options):
    return prepare_dataset(read_examples(data), None, None, Preparation(**options), folder)


def test_a_tenth_of_each_class_is_held_back(tmp_path):
    rows = [(f"text {k}", "rare" if k % 10 == 0 else "common") for k in range(400)]
    dataset = prepared(pl.DataFrame(rows, schema=["text", "label"], orient="row"), tmp_path)
    training, validation = dataset.open("training"), dataset.open("validation")
    assert len(training.targets) == 360
    rare = dataset.targets.encode("rare", "")
    assert (validation.targets == rare).sum() == 4
    assert dataset.spared


def test_the_seed_decides_which(tmp_path):
    found = []
    for seed in (0, 0, 1):
        dataset = prepared(frame(100), tmp_path, seed=seed)
        part = dataset.open("validation")
        found.append([part.inputs[k].tolist() for k in range(len(part.inputs))])
    assert found[0] == found[1] != found[2]


def test_the_vocabulary_comes_from_what_is_learned_from(tmp_path):
    dataset = prepared(frame(100), tmp_path, minimum_count=1)
    words = set(dataset.features.tokenizer.words)
    unknown = dataset.features.tokenizer.unknown
    part = dataset.open("validation")
    own = [f"w{k}" for k in range(100) if f"w{k}" not in words]
    assert len(own) == len(part.inputs) == 10
    assert all(part.inputs[k][-1] == unknown for k in range(10))


def test_few_examples_are_all_learned_from_and_that_is_said(tmp_path):
    dataset = prepared(frame(6), tmp_path)
    assert not dataset.spared
    assert len(dataset.open("training").targets) == len(dataset.open("validation").targets) == 6
    assert any("too few to hold some back" in each for each in dataset.said)
    with pytest.raises(DataError, match="cannot be divided"):
        prepared(frame(3), tmp_path, fraction=0.9999)


def test_phrases_of_a_sentence_stay_together(tmp_path):
    tree = "({a} ({a} w{k}) ({a} (2 x{k}) ({a} y{k})))\n"
    (tmp_path / "t.txt").write_text("".join(tree.format(a=1 + 2 * (k % 2), k=k) for k in range(60)))
    dataset = prepared(tmp_path / "t.txt", tmp_path, tokens="words", minimum_count=1)
    training, validation = dataset.open("training"), dataset.open("validation")
    assert len(validation.inputs) == 6  # whole sentences alone
    assert len(training.inputs) == 54 * 4
    unknown = dataset.features.tokenizer.unknown
    assert all((validation.inputs[k] == unknown).all() for k in range(6))


def test_examples_without_a_label_are_left_out_and_counted(tmp_path):
    rows = [(f"t {k}", None if k % 4 == 0 else str(k % 2)) for k in range(40)]
    dataset = prepared(pl.DataFrame(rows, schema=["text", "label"], orient="row"), tmp_path)
    assert sum(len(dataset.open(name).targets) for name in dataset.parts) == 30
    assert "10 examples without a label are left out" in dataset.said


def test_numbers_have_their_mean_and_spread_with_gaps_left_out(tmp_path):
    rng = np.random.default_rng(0)
    x = 1e6 + rng.normal(3, 2, (50, 8, 2)).astype(np.float64)
    x[:, :, 1] = 5.0
    x[3, 2, 0] = np.nan
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(50) % 2)
    held = prepare_dataset(
        read_examples(tmp_path / "a.npz"),
        read_examples(tmp_path / "a.npz"),
        None,
        Preparation(),
        tmp_path,
    )
    stored = x.astype(np.float32).astype(np.float64)
    assert held.features.mean[0] == pytest.approx(np.nanmean(stored[..., 0]), rel=1e-12)
    assert held.features.deviation[0] == pytest.approx(np.nanstd(stored[..., 0]), rel=1e-6)
    assert held.features.deviation[1] == 1.0  # constant
    assert held.features.gaps
    assert np.isnan(held.open("training").inputs[3][2, 0])


def test_channels_of_any_size_have_their_own_spread():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 4))
    x[:, 3] = 0.1
    x[0, 3] = np.nan
    sizes = np.array([1e12, 1.0, 1e-12, 1.0])
    found = build_number_features([x[:20] * sizes, x[20:] * sizes], list("abcd"), "x")
    expected = x[:, :3].std(0) * sizes[:3]
    assert found.deviation[:3] == pytest.approx(expected.tolist(), rel=1e-9)
    assert found.deviation[3] == 1.0  # constant, though the first is missing


def test_names_are_read_as_characters_and_texts_as_words(tmp_path):
    names = pl.DataFrame({"text": ["Abl", "Chan"] * 20, "label": ["a", "b"] * 20})
    dataset = prepared(names, tmp_path)
    assert dataset.features.tokenizer.kind == "characters"
    assert dataset.features.encode("Zyx", "").tolist()  # unknown ones have a token
    assert prepared(frame(40), tmp_path).features.tokenizer.kind == "words"
    assert prepared(names, tmp_path, tokens="bpe").features.tokenizer.kind == "bpe"


def test_long_texts_are_cut_and_that_is_said(tmp_path):
    texts = ["one two three four", "five six seven"] * 20
    rows = pl.DataFrame({"text": texts, "label": [0, 1] * 20})
    dataset = prepared(rows, tmp_path, longest=3)
    assert dataset.open("training").inputs.lengths.max() == 3
    assert "20 texts are cut to 3 tokens; --longest takes more" in dataset.said


def test_it_comes_back_from_its_description(tmp_path):
    dataset = prepared(frame(60), tmp_path)
    again = Dataset.from_dict(dataset.to_dict(), tmp_path)
    assert again.to_dict() == dataset.to_dict()
    assert (again.open("training").targets == dataset.open("training").targets).all()
    assert {path.name for path in tmp_path.iterdir()} <= set(FILES)


def test_a_cut_file_is_found(tmp_path):
    dataset = prepared(frame(60), tmp_path)
    path = tmp_path / "training.inputs"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="bytes where"):
        dataset.open("training")
