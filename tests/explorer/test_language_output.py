"""Pages of language models whose output is tied or adaptive."""

import pytest
import torch

from gatewise.data.tokens.words import WordTokenizer
from gatewise.explorer import export
from gatewise.lens import inner_gradients
from gatewise.tasks.language import LanguageModel
from gatewise.training import TextModel

OUTPUTS = {
    "tied": {"tied": True, "embedding": 16},
    "tied through a projection": {"tied": True, "embedding": 7},
    "adaptive": {"cutoffs": [4, 9], "embedding": 7},
}


def text_model(output):
    """A model with drawn weights over 27 words."""
    torch.manual_seed(3)
    tokenizer = WordTokenizer([chr(ord("a") + k) for k in range(26)])
    model = LanguageModel(tokenizer.size, "gru", hidden=16, **output)
    for parameter in model.parameters():
        parameter.data = 0.5 * torch.randn_like(parameter)
    if "cutoffs" in output:
        model.head.order_by(torch.randint(99, (tokenizer.size,)))
    return TextModel({}, {}, model, tokenizer)


@pytest.mark.parametrize("name", OUTPUTS)
def test_the_page_says_and_differentiates_what_torch_does(opened, tmp_path, name):
    model = text_model(OUTPUTS[name])
    tokens = model.tokenizer.encode("h e l l o")
    page = opened(export(model, "h e l l o", tmp_path / "page.html"))
    likely = model.model(torch.from_numpy(tokens)[:, None])[0][:, 0].softmax(-1)
    for t in range(len(tokens)):
        found = torch.tensor(page.tell("Array.from(store.prediction(a))", t))
        torch.testing.assert_close(found, likely[t].detach(), atol=1e-6, rtol=1e-4)
    best = int(likely[-1].argmax())
    page.tell("store.setCursor(store.T - 1)")
    page.settle()

    def answer():
        return model.model(torch.from_numpy(tokens)[:, None])[0][-1, 0].log_softmax(-1)[best]

    (inner,) = inner_gradients(answer)
    found = torch.tensor(page.tell("Array.from(store.gradient.tracks[0].states.h.data)"))
    expected = inner.values["h"][:, 0]
    torch.testing.assert_close(found.reshape(expected.shape), expected, atol=5e-6, rtol=1e-3)
