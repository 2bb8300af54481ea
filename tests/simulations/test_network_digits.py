"""MAD's loops on digits: what a cell returns, what is drawn, and verdicts that can fail."""

import numpy as np
import pytest
import xarray as xr
from scipy.spatial.distance import pdist

pytest.importorskip("torch")

from madtheory import plotting, sources
from madtheory.sweeps import run_cells
from paper_scripts.gallery import all_figures
from simulations import network_digits, network_digits_fresh
from simulations._digit_loops import VARIABLES, RealDigits, halves, measure, one_loop, to_grey
from simulations.network_digits_fresh import effective_size

FIGURES = all_figures()

TINY = {"generations": 2, "images": 600, "seed": 0, "rng": 0}
REPLACE = {"regime": "replace", "sizes": {"n": 60}, "bias": 0.8, **TINY}
BIASES = (1.0, 0.8, 0.66, 0.5)


@pytest.fixture(scope="module")
def cell():
    return one_loop(**REPLACE, kept=20)


class TestRealDigits:
    points = sources.digits("train", labels=True).points

    def test_draws_are_balanced_and_without_repetition(self):
        drawn = RealDigits(self.points).sample(305, rng=np.random.default_rng(0))
        counts = np.bincount(drawn[:, -1].astype(int), minlength=10)
        assert set(counts) == {30, 31}
        real = {row.tobytes() for row in self.points}
        assert len({row.tobytes() for row in drawn}) == 305
        assert all(row.tobytes() in real for row in drawn)

    def test_all_of_them_are_the_training_half(self):
        drawn = RealDigits(self.points).sample(len(self.points), rng=np.random.default_rng(1))
        assert np.array_equal(np.sort(drawn, axis=0), np.sort(self.points, axis=0))

    def test_draws_differ(self):
        one, two = (RealDigits(self.points).sample(50, rng=np.random.default_rng(s)) for s in (0, 1))
        assert not np.array_equal(one, two)

    def test_more_than_there_are(self):
        with pytest.raises(ValueError, match="n=898 exceeds the 897 images"):
            RealDigits(self.points).sample(898, rng=np.random.default_rng(0))


def test_grey_levels_are_those_of_the_data():
    points = np.array([[-0.3, 0.03, 0.04, 0.5, 1.7, 7.0]])
    assert np.array_equal(to_grey(points), [[0, 0, 1 / 16, 0.5, 1, 7]])
    real = sources.digits("test", labels=True).points
    assert np.array_equal(to_grey(real), real)


def test_a_cell_returns_numbers_and_pictures(cell):
    assert all(cell[name].shape == (2,) and np.isfinite(cell[name]).all() for name in VARIABLES)
    assert cell["image"].shape == (2, 20, 64)
    assert cell["image"].max() <= 16
    assert np.array_equal(np.bincount(cell["label"]), np.full(10, 2))


def test_cells_repeat_and_resume(tmp_path):
    """Bit for bit; what is there is not written again."""
    cells = [{**REPLACE, "generations": 1, "seed": seed} for seed in (0, 1)]
    done = run_cells(one_loop, cells, store=tmp_path, n_jobs=1)
    written = {path: path.stat().st_ino for path in tmp_path.glob("*/*.cells")}  # writing makes another file
    again = run_cells(one_loop, cells, store=tmp_path, n_jobs=1)
    assert {path: path.stat().st_ino for path in tmp_path.glob("*/*.cells")} == written
    assert all(a.equals(b) for a, b in zip(done, again, strict=True))
    assert one_loop(**cells[0]).equals(done[0])
    assert not done[0].equals(done[1])


def test_loops_of_a_seed_share_their_first_generation(cell):
    """Under another bias and beside real data; measured with one bias the numbers are the same."""
    other = one_loop(
        **{**REPLACE, "regime": "augment", "sizes": {"n_real": 60, "n_synthetic": 60}, "bias": 1.0},
        measured_bias=0.8,
    )
    assert all(other[name][0] == cell[name][0] for name in VARIABLES)
    assert other["fid"][1] != cell["fid"][1]


def test_measures_know_the_truth():
    """Real digits are near the held-out ones; wrong classes and one image for all are seen."""
    train, _, _ = halves()
    real = measure(train)
    assert real["fid"] < 5
    assert min(real["precision"], real["recall"], real["accuracy"]) > 0.9
    shifted = train.copy()
    shifted[:, -1] = (shifted[:, -1] + 1) % 10
    assert measure(shifted)["accuracy"] < 0.05
    first = np.array([train[train[:, -1] == label][0] for label in range(10)])
    one_each = first[np.arange(900) % 10]
    assert measure(one_each)["recall"] < 0.1
    assert measure(one_each)["within_variance"] == 0


def test_runs_gather_their_cells(monkeypatch, tmp_path):
    sizes = network_digits._Sizes(2, 300, 1, 1, 1, 1, 1)
    monkeypatch.setattr(network_digits, "QUICK", sizes)
    monkeypatch.setattr(network_digits, "BIASES", (1.0, 0.8))
    monkeypatch.setattr(network_digits, "EMBEDDED", 40)
    monkeypatch.setattr(network_digits, "REAL_EMBEDDED", 60)
    one = network_digits.run(quick=True, folder=tmp_path, n_jobs=1)
    assert one["fid"].sizes == {"bias": 2, "seed": 2, "generation": 1}
    assert one["image"].shape == (2, 1, 20, 64)
    cells = set(tmp_path.glob("*/*.cells"))
    plane = network_digits.run_embedding(bias=0.8, quick=True, folder=tmp_path, n_jobs=1)
    assert set(tmp_path.glob("*/*.cells")) == cells
    assert plane["fid"].sel(bias=0.8).equals(one["fid"].sel(bias=0.8))
    assert plane["embedding"].shape == (1, 40, 2)
    assert np.isfinite(plane["embedding"]).all()


class TestEffectiveSize:
    n_alone = (25, 100, 400)
    alone = np.array([[40.0, 40.0], [10.0, 10.0], [2.5, 2.5]])

    def test_known_curve(self):
        solved, error = effective_size(np.array([[10.0, 10.0], [5.0, 5.0]]), self.alone, self.n_alone, 0)
        assert np.allclose(solved, [100, 200])
        assert np.allclose(error, 0)

    def test_ends_are_not_left(self):
        solved, _ = effective_size(np.array([[99.0, 99.0], [1.0, 1.0]]), self.alone, self.n_alone, 0)
        assert np.allclose(solved, [25, 400])

    def test_noise_is_told(self):
        """Standard error of a mean of 9 values whose logarithms spread by 0.2, on a curve of slope -1."""
        value = 5 * np.exp(0.2 * np.random.default_rng(0).standard_normal((200, 9)))
        _, error = effective_size(value, self.alone, self.n_alone, 0)
        assert error.mean() == pytest.approx(200 * 0.2 / 3, rel=0.15)

    def test_a_curve_that_rises_again(self):
        """As good as 100 real digits, though 400 are no better."""
        alone = np.array([[40.0], [10.0], [12.0]])
        solved, _ = effective_size(np.array([10.0]), alone, self.n_alone, 0)
        assert solved == pytest.approx(100)


def made_up(slopes, generations=6, seeds=5):
    """Curves by bias that change by exactly so much in a generation in the mean of seeds that scatter."""
    rng, t = np.random.default_rng(0), np.arange(generations)
    data = xr.Dataset(coords={"bias": list(BIASES), "generation": t + 1})
    for name in VARIABLES:
        slope = np.broadcast_to(slopes.get(name, 0.0), len(BIASES))
        noise = 0.001 * rng.normal(size=(len(BIASES), seeds, generations))
        noise += 0.02 * rng.normal(size=(1, seeds, 1)) - noise.mean(1, keepdims=True)
        data[name] = (("bias", "seed", "generation"), 1 + slope[:, None, None] * t + noise)
        data[f"real_{name}"] = 1.0
        raw = data[name].sel(bias=[1.0, 0.5]).isel(generation=slice(2))
        data[f"raw_{name}"] = (("raw_bias", "raw_seed", "raw_generation"), raw.values)
    return data.assign_coords(raw_bias=[1.0, 0.5], raw_generation=[1, 2])


def verdicts(rows):
    return [row.verdict for row in rows]


AS_CLAIMED = {
    "fid": (5.0, 1.0, 2.0, 3.0),
    "precision": (-0.05, 0.0, 0.01, 0.01),
    "recall": (-0.05, -0.1, -0.15, -0.2),
    "within_variance": (-0.01, -0.1, -0.1, -0.1),
    "between_variance": (-0.1, 0.0, 0.0, 0.0),
    "accuracy": (-0.05, 0.0, 0.0, 0.0),
}


@pytest.mark.parametrize(
    ("wrong", "row"),
    [
        ({"fid": (0.0, 1.0, 2.0, 3.0)}, 1),
        ({"recall": (0.0, -0.1, -0.15, -0.2)}, 1),
        ({"precision": (-0.05, 0.0, 0.0, -0.06)}, 2),
        ({"recall": (-0.05, -0.05, -0.15, -0.2)}, 3),
        ({"fid": (5.0, 0.0, 2.0, 3.0)}, 4),
        ({"recall": (-0.05, -0.15, -0.1, -0.2)}, 5),
        ({"total_variance": (-0.05, -0.1, 0.0, 0.0)}, 6),
        ({"total_variance": (-0.05, -0.1, 0.0, 0.0)}, 7),
    ],
)
def test_statements_on_the_fully_synthetic_loop(wrong, row):
    right = FIGURES["mad_4_16"].findings(made_up(AS_CLAIMED))
    assert verdicts(right) == ["shown", *["reproduced"] * 7, "shown"]
    assert FIGURES["mad_4_16"].findings(made_up(AS_CLAIMED | wrong))[row].verdict != "reproduced"


def test_statements_on_classes():
    data = made_up(AS_CLAIMED)
    assert verdicts(FIGURES["mad_5"].findings(data)) == ["reproduced"]
    assert verdicts(FIGURES["mad_7"].findings(data)) == ["reproduced", "reproduced"]
    still = made_up({})
    assert verdicts(FIGURES["mad_5"].findings(still)) == ["not reproduced"]
    assert verdicts(FIGURES["mad_7"].findings(still))[0] == "partly reproduced"
    legible = made_up(AS_CLAIMED | {"accuracy": -0.01})
    assert verdicts(FIGURES["mad_5"].findings(legible)) == ["partly reproduced"]
    merged = made_up(AS_CLAIMED | {"between_variance": -0.1, "precision": -0.05})
    assert verdicts(FIGURES["mad_7"].findings(merged)) == ["partly reproduced", "not reproduced"]


def both_loops(augment, replace):
    loops = [made_up(slopes)[list(VARIABLES)] for slopes in (replace, augment)]
    data = xr.concat(loops, "loop").assign_coords(loop=["replace", "augment"])
    return data.assign({f"real_{name}": 1.0 for name in VARIABLES})


AUGMENT = {
    "fid": (2.0, 0.5, 1.0, 1.5),
    "precision": (-0.02, -0.01, 0.0, 0.01),
    "recall": (-0.01, -0.02, -0.03, -0.04),
}


@pytest.mark.parametrize(
    ("wrong", "row"),
    [
        ({"precision": 0.0}, 0),
        ({"fid": (6.0, 0.5, 1.0, 1.5)}, 1),
        ({"fid": (2.0, 0.5, 1.0, 0.0)}, 2),
        ({"recall": -0.02}, 3),
        ({"fid": (0.5, 2.0, 2.0, 2.0)}, 4),
    ],
)
def test_statements_on_the_augmentation_loop(wrong, row):
    replace = AS_CLAIMED
    assert verdicts(FIGURES["mad_9"].findings(both_loops(AUGMENT, replace))) == ["reproduced"] * 5
    assert FIGURES["mad_9"].findings(both_loops(AUGMENT | wrong, replace))[row].verdict != "reproduced"


def approaching(limits, growth=0.0):
    """Two loops that start at 3 and 1, and go to their limits."""
    rng, t = np.random.default_rng(1), np.arange(10)
    shape = np.array([[3.0], [1.0]]) * np.exp(-2.0 * t) + np.array(limits)[:, None] + growth * t
    values = shape[:, None] + 0.02 * rng.normal(size=(2, 5, 10))
    dims = ("n_initial", "seed", "generation")
    return xr.Dataset(
        dict.fromkeys(VARIABLES, (dims, values)) | {f"real_{name}": 0.1 for name in VARIABLES},
        {"n_initial": [100, 800], "generation": t + 1},
    )


def test_statements_on_limits():
    assert verdicts(FIGURES["mad_10_right"].findings(approaching((2.0, 2.0)))) == ["reproduced"] * 3
    assert verdicts(FIGURES["mad_10_right"].findings(approaching((2.0, 2.3))))[:2] == ["not reproduced"] * 2
    assert (
        verdicts(FIGURES["mad_10_right"].findings(approaching((2.0, 2.0), growth=0.2)))[2] == "not reproduced"
    )


def admissible(ratios):
    """Loops with effective sizes of 100 times these, by bias and number of synthetic digits."""
    size = 100.0 * np.array([ratios, ratios])
    dims = ("distance", "bias", "n_synthetic")
    return xr.Dataset(
        {
            "value": ((*dims, "seed"), np.repeat(10 / size[..., None], 5, -1)),
            "alone": (("distance", "n_alone", "model"), np.full((2, 3, 2), [[0.4], [0.1], [0.025]])),
            "effective_size": (dims, size),
            "effective_size_error": (dims, np.full(size.shape, 3.0)),
        },
        {
            "distance": ["pixel_frechet", "fid"],
            "bias": [1.0, 0.8],
            "n_synthetic": [30, 100, 300],
            "n_alone": [25, 100, 400],
        },
        attrs={"n_real": 100},
    )


def test_statements_on_the_effective_size():
    right = admissible([[1.2, 1.5, 1.8], [1.2, 1.4, 0.5]])
    assert verdicts(FIGURES["mad_11_digits"].findings(right)) == ["reproduced"] * 4
    wrong = admissible([[1.2, 1.5, 0.7], [1.2, 1.4, 1.6]])
    assert verdicts(FIGURES["mad_11_digits"].findings(wrong)) == ["partly reproduced"] * 4
    none = admissible([[0.9, 0.8, 0.7], [0.5, 0.8, 1.0]])
    assert verdicts(FIGURES["mad_11_digits"].findings(none)) == ["not reproduced"] * 4


def test_pictures_show_the_data():
    data = made_up(AS_CLAIMED)
    with plotting.style():
        curves = [line.get_ydata() for line in FIGURES["mad_4_16"].draw(data).axes[2].lines]
        for bias in BIASES:
            assert any(np.array_equal(y, data["recall"].sel(bias=bias).mean("seed")) for y in curves)
        assert len(FIGURES["mad_9"].draw(both_loops(AUGMENT, AS_CLAIMED)).axes[0].lines) == 9
        assert len(FIGURES["mad_10_right"].draw(approaching((2.0, 2.0))).axes) == 2
        axes = FIGURES["mad_11_digits"].draw(admissible([[1.2, 1.5, 1.8], [1.2, 1.4, 0.5]])).axes
        assert np.allclose(axes[1].lines[0].get_ydata(), [1.2, 1.5, 1.8])


def test_pictures_of_samples():
    rng = np.random.default_rng(0)
    label = ("point", np.arange(20) % 10)
    plane = xr.Dataset(
        {
            "embedding": (("shown", "point", "axis"), rng.normal(size=(2, 20, 2))),
            "real_embedding": (("shown", "real_point", "axis"), rng.normal(size=(2, 30, 2))),
            "label": label,
            "real_label": ("real_point", np.arange(30) % 10),
        },
        {"shown": [2, 5]},
    )
    drawn = FIGURES["mad_5"].draw(plane).axes
    # Panels are turned onto the first: distances stay, of samples and of real points to each other.
    shown = np.concatenate([np.asarray(marks.get_offsets()) for marks in drawn[1].collections])
    held = np.concatenate([plane["real_embedding"][1], plane["embedding"][1]])
    assert np.allclose(pdist(shown), pdist(held))
    assert not np.allclose(shown, held)
    image = rng.integers(17, size=(1, 3, 20, 64))
    dims = ("shown_bias", "shown_generation", "point", "pixel")
    samples = xr.Dataset(
        {"image": (dims, image), "label": label}, {"shown_bias": [0.8], "shown_generation": [1, 2, 3]}
    )
    shown = FIGURES["mad_27"].draw(samples).axes[0].images[0].get_array()
    assert np.array_equal(shown[9:17, :8], image[0, 1, 0].reshape(8, 8))


def test_figures_say_that_they_are_analogues():
    names = ("mad_4_16", "mad_5", "mad_7", "mad_9", "mad_10_right", "mad_11_digits", "mad_26", "mad_27")
    for figure in (FIGURES[name] for name in names):
        assert "an analogue" in figure.title
        assert "digits" in figure.caption
        assert figure.networks
    assert network_digits_fresh.FULL.seeds >= 5
    assert network_digits.FULL.seeds >= 5
