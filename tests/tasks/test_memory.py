import random

import pytest
import torch

import gatewise as gw
from gatewise.tasks.memory import (
    Batch,
    Course,
    MemoryModel,
    Vocabulary,
    draw_examples,
    guess,
    measure_accuracy,
)
from gatewise.tasks.sentences import KINDS, NEAREST, Sentence, language_sentence, vocabulary


@pytest.fixture(scope="module")
def words():
    return Vocabulary(vocabulary())


def test_batch_starts_every_sentence_at_the_first_step(words):
    draw = random.Random(0)
    sentences = [language_sentence(distance, draw) for distance in (5, 30, 12)]
    batch = words.batch(sentences)
    for b, sentence in enumerate(sentences):
        length = len(sentence.words)
        numbers = batch.tokens[:, b].tolist()
        assert [words.words[number] for number in numbers[:length]] == sentence.words
        assert not any(numbers[length:])
        assert batch.last[b] == length - 1
        assert words.words[batch.answers[b]] == sentence.answer


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "peephole", "scrn"])
def test_answer_does_not_depend_on_the_other_sentences(words, cell):
    model = MemoryModel(cell, len(words), hidden=8)
    draw = random.Random(0)
    short, long = language_sentence(6, draw), language_sentence(40, draw)
    alone, together = model(words.batch([short])), model(words.batch([short, long]))
    torch.testing.assert_close(alone[0], together[0])


def test_forget_gates_start_open(words):
    assert (MemoryModel("lstm", 9, 8).recurrent.weights()["b.f"] == 1).all()
    assert (MemoryModel("gru", 9, 8).recurrent.weights()["b.z"] == 1).all()
    assert (MemoryModel("peephole", 9, 8).recurrent.weights()["b.f"] == 1).all()


def test_cell_with_further_inputs_is_refused():
    with pytest.raises(ValueError, match="'gru_d' reads x, m, delta"):
        MemoryModel("gru_d", 9)


def test_course_goes_from_near_to_far():
    course = Course(100, seed=0)
    reaches = [course.reach(share / 10) for share in range(11)]
    assert reaches[0] == pytest.approx(Course.BEGINNING)
    assert reaches == sorted(reaches)
    assert reaches[7:] == pytest.approx([100] * 4)
    near = [sentence.distance for sentence in course.sentences(200, 0.0)]
    far = [s.distance for _ in range(50) for s in course.sentences(20, 1.0)]
    assert NEAREST <= min(near) <= max(near) <= Course.BEGINNING
    assert min(far) < 8
    assert max(far) > 60


def test_course_mixes_all_kinds_and_leaves_out_what_is_held_out():
    told = Course(8, seed=3).sentences(400, 0.0)
    assert {sentence.kind for sentence in told} == set(KINDS)
    held_out = told[::2]
    again = Course(8, seed=3, held_out=held_out).sentences(400, 0.0)
    assert not {s.text for s in again} & {s.text for s in held_out}


def test_examples_have_their_distance_and_their_own_numbers():
    examples = draw_examples((5, 20), 10, seed=0)
    assert set(examples) == {(kind, distance) for kind in KINDS for distance in (5, 20)}
    for (kind, distance), sentences in examples.items():
        assert [(s.kind, s.distance) for s in sentences] == [(kind, distance)] * 10
    assert draw_examples((5, 20), 10, seed=0) == examples
    assert draw_examples((5, 20), 10, seed=1) != examples


def test_accuracy_counts_right_answers(words):
    class Knowing(torch.nn.Module):
        """Says Danish whatever it reads."""

        loss = MemoryModel.loss

        def forward(self, batch: Batch) -> torch.Tensor:
            logits = torch.zeros(len(batch.answers), len(words))
            logits[:, words.numbers["Danish"]] = 1.0
            return logits

    made = [Sentence("language", "I live", answer, 5) for answer in ("Danish", "Greek", "Danish")]
    accuracy = measure_accuracy(Knowing(), {("language", 5): made}, words)  # type: ignore
    assert accuracy == {("language", 5): pytest.approx(2 / 3)}


def test_guesses_are_the_likeliest_words(words):
    model = MemoryModel("gru", len(words), hidden=8)
    sentence = language_sentence(5, random.Random(0))
    guesses = guess(model, sentence, words, count=len(words))
    probabilities = [probability for _, probability in guesses]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1, abs=1e-5)
    assert guess(model, sentence, words, count=2) == guesses[:2]


def test_lstm_learns_near_sentences(words):
    """The whole way: course, batches, loss, accuracy."""
    torch.manual_seed(0)
    examples = {k: v for k, v in draw_examples((5,), 100, 0).items() if k[0] == "language"}
    course = Course(8, 0, [s for sentences in examples.values() for s in sentences])
    model = MemoryModel("lstm", len(words), hidden=32)
    before = measure_accuracy(model, examples, words)["language", 5]
    optimizer = torch.optim.RMSprop(model.parameters(), 5e-3)
    for _ in range(250):
        loss, _ = model.loss(words.batch(course.sentences(64, 1.0)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert before < 0.3
    assert measure_accuracy(model, examples, words)["language", 5] > 0.9


def test_cell_of_ones_own_can_take_part(words):
    assert MemoryModel(gw.cells.get("mgu"), len(words)).recurrent.cell.name == "mgu"
