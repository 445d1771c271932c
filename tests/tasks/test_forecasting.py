import pytest
import torch

from gatewise.cells import get, names
from gatewise.tasks.forecasting import (
    DECODINGS,
    ForecastNetwork,
    Windows,
    check_quantiles,
)

L, F, B = 12, 5, 3


def windows(lookback=L, horizon=F, known=0, static=0, channels=1, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return Windows(
        torch.randn(B, lookback, generator=draw).cumsum(1),
        torch.zeros(B, lookback),
        torch.arange(B) % channels,
        torch.randn(B, lookback + horizon, known, generator=draw),
        torch.randn(B, static, generator=draw),
    )


def network(**options):
    torch.manual_seed(0)
    given = {"lookback": L, "horizon": F, "hidden": 8, "segment": 3, "dropout": 0.0}
    return ForecastNetwork(**(given | options))


def randomized(**options):
    """A network that does not begin at its anchor."""
    built = network(**options)
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return built


@pytest.mark.parametrize("decoding", DECODINGS)
@pytest.mark.parametrize("anchor", ["last", "seasonal"])
def test_a_new_network_forecasts_its_anchor(decoding, anchor):
    built, given = network(decoding=decoding, anchor=anchor, season=4), windows()
    found, scale = built(given)
    assert found.shape == (B, F, 3)
    expected = given.past[:, [8, 9, 10, 11, 8]] if anchor == "seasonal" else given.past[:, [-1] * F]
    for quantile in scale.undo(found).unbind(-1):
        assert torch.allclose(quantile, expected, atol=1e-5)


@pytest.mark.parametrize("decoding", DECODINGS)
@pytest.mark.parametrize("horizon", [1, 3, 5, 6])
def test_any_horizon_is_decoded(decoding, horizon):
    found, _ = randomized(decoding=decoding, horizon=horizon)(windows(horizon=horizon))
    assert found.shape == (B, horizon, 3)
    assert len(found.detach().unique()) > B * horizon


@pytest.mark.parametrize("decoding", DECODINGS)
@pytest.mark.parametrize("part", ["past", "missing", "known", "static"])
def test_everything_that_is_told_matters(decoding, part):
    built = randomized(decoding=decoding, known=2, static=1)
    given = windows(known=2, static=1)
    changed = given._replace(**{part: getattr(given, part) + 1.0})
    if part == "past":  # a shift alone is taken out
        changed = given._replace(past=given.past * torch.linspace(1, 2, L))
    assert not torch.allclose(built(given)[0], built(changed)[0])


@pytest.mark.parametrize("decoding", DECODINGS)
def test_the_known_future_matters_step_by_step(decoding):
    built, given = randomized(decoding=decoding, known=1), windows(known=1)
    later = given.known.clone()
    later[:, -1] += 1
    found, changed = (built(given._replace(known=each))[0] for each in (given.known, later))
    assert not torch.allclose(found[:, -1], changed[:, -1])
    if decoding != "direct":  # one matrix reads all of the future at once
        assert torch.equal(found[:, :3], changed[:, :3])


@pytest.mark.parametrize("decoding", DECODINGS)
def test_in_evaluation_the_true_future_is_never_read(decoding):
    built, given = randomized(decoding=decoding).eval(), windows()
    assert torch.equal(built(given)[0], built(given)[0])
    taught, _ = built(given, torch.randn(B, F))
    assert torch.equal(taught, built(given)[0]) == (decoding != "recursive")


def test_recursion_reads_its_own_median_on():
    """Told its own forecast as the truth, teacher forcing changes nothing."""
    built, given = randomized(decoding="recursive", horizon=6), windows(horizon=6)
    found, scale = built(given)
    taught, _ = built(given, scale.undo(found[..., 1]))
    assert torch.allclose(found, taught, atol=1e-5)


def test_channels_are_told_apart_and_unknown_ones_are_their_mean():
    built = randomized(channels=2)
    given = windows(channels=2)
    one, two = (built(given._replace(channel=torch.full((B,), k)))[0] for k in (0, 1))
    assert not torch.allclose(one, two)
    new = given._replace(channel=torch.full((B,), 2))
    unknown = built(new)[0]
    with torch.no_grad():
        built.channel.weight[:] = built.channel.weight.mean(0)
    assert torch.allclose(unknown, built(given)[0], atol=1e-6)


@pytest.mark.parametrize("scaling", ["window", "standard"])
def test_level_and_unit_of_a_series_do_not_matter(scaling):
    built, given = randomized(scaling=scaling).double(), windows()
    given = given._replace(
        past=given.past.double(),
        missing=given.missing.double(),
        known=given.known.double(),
        static=given.static.double(),
    )
    found, scale = built(given)
    other, other_scale = built(given._replace(past=1000 * given.past + 77))
    assert torch.allclose(1000 * scale.undo(found) + 77, other_scale.undo(other))


def test_losses_by_hand():
    """Errors of 2 and -1; a third step is not there."""
    future, there = torch.tensor([[3.0, 0.0, 9.0]]), torch.tensor([[1.0, 1.0, 0.0]])
    sizes = {"horizon": 3, "segment": 3, "scaling": "none"}
    built = network(**sizes)
    scale = built.scale(windows(horizon=3)._replace(past=torch.zeros(1, L)))
    found = torch.ones(1, 3, 3)
    pinball = [0.1 * 2 + 0.5 * 2 + 0.9 * 2, 0.9 * 1 + 0.5 * 1 + 0.1 * 1]
    expected = 2 * sum(pinball) / 3
    total = built.loss(found, scale, future, there, reduction="sum")
    assert total.item() == pytest.approx(expected)
    assert built.loss(found, scale, future, there).item() == pytest.approx(expected / 2)
    for kind, value in (("mae", 1.5), ("mse", 2.5)):
        one = network(**sizes, loss=kind)
        assert one.outputs == 1
        assert one.loss(found[..., :1], scale, future, there).item() == pytest.approx(value)


@pytest.mark.parametrize("decoding", DECODINGS)
def test_gradients_reach_every_weight(decoding):
    built = randomized(decoding=decoding, known=1, static=1, anchor="seasonal", season=4)
    given, future = windows(known=1, static=1), torch.randn(B, F)
    given = given._replace(missing=(torch.rand(B, L) > 0.5).float())
    found, scale = built(given, future)
    built.loss(found, scale, future, torch.ones(B, F)).backward()
    assert all(each.grad is not None and each.grad.any() for each in built.parameters())


@pytest.mark.parametrize("cell", names()[::6])
def test_cells_of_the_catalogue_forecast(cell):
    if set(get(cell).graph.inputs) != {"x"}:
        with pytest.raises(ValueError, match="reads"):
            randomized(cell=cell)
    else:
        assert torch.isfinite(randomized(cell=cell)(windows())[0]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lookback": 10}, "does not divide into segments of 3; take 12"),
        ({"horizon": 0}, "1 or more"),
        ({"anchor": "seasonal", "season": 13}, "does not reach back the 1 season"),
        ({"anchor": "adjusted", "season": 7}, "does not reach back the 2 season"),
        ({"decoding": "backwards"}, "decoding: 'backwards' is none of"),
        ({"scaling": "big"}, "scaling: 'big' is none of"),
        ({"loss": "likelihood"}, "loss: 'likelihood' is none of"),
        ({"anchor": "sea"}, "anchor: 'sea' is none of"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        network(**options)


@pytest.mark.parametrize(
    "quantiles", [[], [0.1, 0.9], [0.9, 0.5, 0.1], [0.0, 0.5, 1.0], [0.1, 0.5]]
)
def test_quantiles_lie_in_pairs_around_the_median(quantiles):
    with pytest.raises(ValueError, match="quantiles"):
        check_quantiles(quantiles)
