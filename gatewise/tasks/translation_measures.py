"""How good translations are: BLEU, chrF, and the rates of wrong words and characters."""

from collections.abc import Collection, Sequence

FIGURES = {
    # higher is better
    "bleu": "BLEU",
    "chrf": "chrF",
    "exact": "exactly right",
    # lower is better
    "wer": "word error rate",
    "cer": "character error rate",
}
RATES = ("wer", "cer")
TOKENIZATIONS = ("13a", "intl", "char", "zh", "none")  # of sacrebleu, without further packages


def measure_translations(
    found: Sequence[str],
    references: Sequence[str],
    names: Collection[str] = tuple(FIGURES),
    tokenization: str = "13a",
) -> dict[str, float]:
    """Compare translations with references, one each.

    Args:
        found: Translations as plain text.
        references: As many.
        names: Which of `FIGURES`.
        tokenization: How sacrebleu finds the words of BLEU: `"zh"` or `"char"` where no spaces
            stand between words.

    Returns:
        By name: BLEU (Papineni et al. 2002) and chrF2 (Popović 2015) from 0 to 100 as sacrebleu
        computes them, case counted; `exact`, the share of equal texts; word and character error
        rate, insertions and deletions counted, so above 1 where far too much is written.

    Example:
        >>> measure_translations(["a b d"], ["a b c"], ["wer", "exact"])
        {'exact': 0.0, 'wer': 0.3333333432674408}
    """
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
    from torchmetrics.functional.text import char_error_rate, word_error_rate

    ways = {
        "bleu": lambda: BLEU(tokenize=tokenization).corpus_score(found, [references]).score,
        "chrf": lambda: CHRF().corpus_score(found, [references]).score,
        "exact": lambda: sum(map(str.__eq__, found, references)) / len(found),
        "wer": lambda: float(word_error_rate(list(found), list(references))),
        "cer": lambda: float(char_error_rate(list(found), list(references))),
    }
    return {name: ways[name]() for name in FIGURES if name in names}


def show_figure(name: str, value: float) -> str:
    """Show a figure: scores as sacrebleu writes them, shares in per cent."""
    return f"{value:.1f}" if name in ("bleu", "chrf") else f"{value:.2%}"
