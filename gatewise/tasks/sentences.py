"""Sentences whose last word was settled many words ago, made by a small grammar of English."""

import itertools
import math
import random
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LANGUAGES = {
    "China": "Chinese",
    "Denmark": "Danish",
    "Finland": "Finnish",
    "France": "French",
    "Germany": "German",
    "Greece": "Greek",
    "Hungary": "Hungarian",
    "Italy": "Italian",
    "Japan": "Japanese",
    "Norway": "Norwegian",
    "Poland": "Polish",
    "Portugal": "Portuguese",
    "Russia": "Russian",
    "Spain": "Spanish",
    "Sweden": "Swedish",
    "Turkey": "Turkish",
}
NAMES = (
    *("Anna", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Hugo"),
    *("Iris", "Jonas", "Lena", "Mady", "Marco", "Monica", "Nora", "Oscar"),
)

# An opening holds what is to be remembered, a closing asks for it.
COUNTRY_OPENINGS = (
    "I live in {country}",
    "I grew up in {country}",
    "I was born in {country}",
    "I come from {country}",
    "My home is in {country}",
    "My whole family lives in {country}",
)
LANGUAGE_CLOSINGS = (
    "I speak fluent",
    "I speak perfect",
    "I even dream in",
    "my first language is",
    "everyone at home speaks",
)
NAME_OPENINGS = (
    "{first} and {second} walk into the room",
    "{first} and {second} sit down at a table",
    "{first} and {second} wait for the bus",
    "{first} meets {second}",
    "{first} sees {second} on the stairs",
)
NAME_CLOSINGS = (
    "{speaker} said hi to",
    "{speaker} smiled at",
    "{speaker} waved to",
    "{speaker} gave a book to",
    "{speaker} said good night to",
)

# What stands in between: [time] subject predicate [place], each slot from any of its rows.
TIMES = (
    *("yesterday", "later", "meanwhile", "afterwards", "that evening", "on Monday", "last winter"),
    *("one day", "after the rain", "before the storm", "on long summer evenings"),
    *("early in the morning", "all of a sudden", "for the first time", "a little later"),
)
DETERMINERS = ("the", "our", "that")
ADJECTIVES = ("", "old", "young", "tired", "quiet", "cheerful", "tall", "very patient")
PEOPLE = (
    *("baker", "sailor", "teacher", "doctor", "neighbour", "painter", "gardener", "waiter"),
    *("postman", "farmer", "singer", "shepherd", "librarian", "fisherman"),
)
PREDICATES = (
    *("sang", "laughed", "slept", "waited", "played chess", "cooked soup", "lost the keys"),
    *("fed the ducks", "sold fresh bread", "found a silver coin", "read a long letter"),
    *("watered the flowers", "drank a cup of tea", "painted the kitchen blue"),
    *("bought apples and pears", "repaired an old bicycle", "forgot the umbrella again"),
    *("told a story about the sea", "looked for a pair of gloves", "carried a basket of eggs"),
    *("talked about the weather", "counted the boats", "closed the shop"),
    *("wrote a poem about snow and wind", "ate a piece of cake", "took a photograph"),
)
PLACES = (
    *("outside", "upstairs", "at home", "by the river", "in the garden", "at the market"),
    *("on the balcony", "behind the church", "near the old bridge", "under a large tree"),
    *("in front of the station", "on the way to the harbour", "at the end of the street"),
)
LEAD_INS = {
    0: ("",),
    1: ("Today", "Still,", "Now", "Then"),
    2: ("Of course", "By now", "In fact,", "As always,"),
}
SHORTEST = 3  # words of the shortest sentence in between; one or two words are a lead-in

WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Sentence:
    """A text without its last word.

    Attributes:
        kind: a key of `KINDS`.
        text: everything before the last word, with its punctuation.
        answer: the last word.
        distance: words between the word that settles the answer and the answer.
    """

    kind: str
    text: str
    answer: str
    distance: int

    @property
    def words(self) -> list[str]:
        """The words of the text, without punctuation."""
        return words_of(self.text)


def words_of(text: str) -> list[str]:
    """The words of a text, without punctuation."""
    return WORD.findall(text)


def language_sentence(distance: int, draw: random.Random) -> Sentence:
    """A country and its language: I live in France. ... I speak fluent ___."""
    while True:
        country, language = draw.choice(tuple(LANGUAGES.items()))
        opening = draw.choice(COUNTRY_OPENINGS).format(country=country)
        text = _join(opening, country, draw.choice(LANGUAGE_CLOSINGS), distance, draw)
        if text is not None:
            return Sentence("language", text, language, distance)


def name_sentence(distance: int, draw: random.Random) -> Sentence:
    """The other of two names: Mady and Monica walk into the room. ... Mady said hi to ___."""
    while True:
        first, second = pair = draw.sample(NAMES, 2)
        speaker, other = draw.sample(pair, 2)
        opening = draw.choice(NAME_OPENINGS).format(first=first, second=second)
        closing = draw.choice(NAME_CLOSINGS).format(speaker=speaker)
        text = _join(opening, other, closing, distance, draw)
        if text is not None:
            return Sentence("name", text, other, distance)


KINDS: dict[str, Callable[[int, random.Random], Sentence]] = {
    "language": language_sentence,
    "name": name_sentence,
}
"""What makes a sentence, by kind: a function of the distance, at least `NEAREST`, and of a source
of random numbers."""

NEAREST = 5


def vocabulary() -> list[str]:
    """Every word that a sentence or its answer can have, sorted."""
    rows = [*COUNTRY_OPENINGS, *LANGUAGE_CLOSINGS, *NAME_OPENINGS, *NAME_CLOSINGS]
    fixed = [re.sub(r"{\w+}", "", row) for row in rows]
    starts = [_capitalized(row) for row in (*TIMES, *DETERMINERS, *LANGUAGE_CLOSINGS)]
    between = (*TIMES, *DETERMINERS, *ADJECTIVES, *PEOPLE, *PREDICATES, *PLACES)
    lead_ins = itertools.chain(*LEAD_INS.values())
    answers = (*LANGUAGES, *LANGUAGES.values(), *NAMES)
    return sorted(set(words_of(" ".join([*fixed, *starts, *between, *lead_ins, *answers]))))


def _join(opening: str, clue: str, closing: str, distance: int, draw: random.Random) -> str | None:
    """Opening, sentences in between and closing; None where they are longer than the distance."""
    opened = words_of(opening)
    room = distance - (len(opened) - 1 - opened.index(clue)) - len(words_of(closing))
    if room < 0:
        return None
    lead_in = draw.choice(LEAD_INS[room if room < SHORTEST else 0])
    between = _between(room, draw) if room >= SHORTEST else []
    last = f"{lead_in} {closing}".strip()
    return " ".join(f"{_capitalized(part)}." for part in (opening, *between)) + (
        f" {_capitalized(last)}"
    )


def _between(room: int, draw: random.Random) -> list[str]:
    """Sentences of exactly `room` words together."""
    sentences = []
    while room:
        fits = [n for n in _SHAPES if n == room or n <= room - SHORTEST]
        length = draw.choice(fits)
        sentences.append(_sentence(length, draw))
        room -= length
    return sentences


def _sentence(length: int, draw: random.Random) -> str:
    """A sentence of so many words, any one as likely as another."""
    shapes, counts = _SHAPES[length]
    time, adjective, predicate, place = draw.choices(shapes, counts)[0]
    parts = (
        draw.choice(_BY_LENGTH[TIMES][time]) if time else "",
        draw.choice(DETERMINERS),
        draw.choice(_BY_LENGTH[ADJECTIVES][adjective]),
        draw.choice(PEOPLE),
        draw.choice(_BY_LENGTH[PREDICATES][predicate]),
        draw.choice(_BY_LENGTH[PLACES][place]) if place else "",
    )
    return " ".join(filter(None, parts))


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def _by_length(rows: Sequence[str]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for row in rows:
        found[len(words_of(row))].append(row)
    return dict(found)


_BY_LENGTH = {rows: _by_length(rows) for rows in (TIMES, ADJECTIVES, PREDICATES, PLACES)}


def _shapes() -> dict[int, tuple[list[tuple[int, ...]], list[int]]]:
    """The ways to share out so many words over the slots, and how many sentences each makes."""
    optional = [{0: [""], **_BY_LENGTH[rows]} for rows in (TIMES, PLACES)]
    slots = (optional[0], _BY_LENGTH[ADJECTIVES], _BY_LENGTH[PREDICATES], optional[1])
    found: dict[int, tuple[list[tuple[int, ...]], list[int]]] = {}
    for shape in itertools.product(*slots):
        count = math.prod(len(slot[n]) for slot, n in zip(slots, shape, strict=True))
        shapes, counts = found.setdefault(2 + sum(shape), ([], []))  # determiner and person
        shapes.append(shape)
        counts.append(count)
    return found


_SHAPES = _shapes()
