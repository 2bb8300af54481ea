"""Animations: what the frames show, and the files that hold them."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

import madtheory as mad
from madtheory import plotting, regimes, sources
from madtheory.cli.demo import digit_loops
from madtheory.storage import StorageError


def digits(generations=3, **options):
    return plotting.animate(digit_loops(), generations, shape=(8, 8), n=16, **options)


def panels(frame, count):
    """Return the drawn parts of a frame below its titles, panel by panel."""
    return np.split(frame[60:, : frame.shape[1] // count * count], count, axis=1)


def test_every_panel_begins_with_the_same_real_digits_at_the_same_places():
    real, first, *_, last = digits(12).frames

    def drawn(frame):
        """The digits of each panel, without the white around them; panels differ by fractions of a pixel."""
        grey = [panel[..., 0] for panel in panels(frame, 3)]
        cut = [panel[np.ix_((panel < 255).any(1), (panel < 255).any(0))] for panel in grey]
        return [np.asarray(Image.fromarray(panel).resize((64, 64)), dtype=float) for panel in cut]

    one, *others = drawn(real)
    assert all(np.abs(one - other).mean() < 15 for other in others)
    assert not np.array_equal(real, first)
    one, *others = drawn(last)
    assert all(np.abs(one - other).mean() > 40 for other in others)


def test_the_collapse_is_seen():
    """A fully synthetic loop of 6 points has lost its spread at generation 40; with real data it stays."""
    loops = {
        name: mad.Loop(real=mad.Gaussian.standard(2), model=mad.Gaussian(), regime=regime)
        for name, regime in {
            "fully synthetic": regimes.replace(n=6),
            "fresh data": regimes.fresh(n_real=6, n_synthetic=6),
        }.items()
    }
    frames = plotting.animate(loops, 40, n=200).frames
    lost, kept = [(panel[..., 2] > panel[..., 0] + 60.0).sum() for panel in panels(frames[-1], 2)]
    assert lost < kept / 5


def test_frames_are_made_again_from_the_seed():
    assert np.array_equal(digits(rng=3).frames, digits(rng=3).frames)
    assert not np.array_equal(digits(rng=3).frames, digits(rng=4).frames)


@pytest.mark.parametrize("kind", [None, "points", "density"])
@pytest.mark.parametrize("dim", [2, 5])
def test_kinds(kind, dim):
    loop = mad.Loop(real=mad.Gaussian.standard(dim), model=mad.Gaussian(), regime=regimes.replace(n=40))
    frames = plotting.animate(loop, 2, kind=kind, n=50).frames
    assert frames.shape[0] == 3
    assert frames.dtype == np.uint8
    assert not np.array_equal(frames[0], frames[1])


def test_tokens_are_a_density():
    loop = mad.Loop(
        real=mad.Categorical([0.5, 0.3, 0.2]), model=mad.Categorical(), regime=regimes.replace(n=9)
    )
    assert np.array_equal(plotting.animate(loop, 2).frames, plotting.animate(loop, 2, kind="density").frames)


def test_classes_order_the_images():
    """The same pictures as those of images that are sorted already."""
    points = sources.digits("train", labels=True).points[:16]

    class Fixed:
        """A source and a model that returns the same points always."""

        def __init__(self, points):
            self.points = points

        def sample(self, n, *, rng):
            return self.points[:n]

        def fit(self, data, *, rng):
            return self

    def frames(points):
        loop = mad.Loop(real=Fixed(points), model=Fixed(points), regime=regimes.replace(n=16))
        return plotting.animate(loop, 1, shape=(8, 8), n=16).frames

    ordered = points[np.argsort(points[:, -1], kind="stable")]
    assert np.array_equal(frames(points), frames(ordered[:, :64]))
    assert not np.array_equal(frames(points), frames(points[:, :64]))


def test_a_gif_has_all_frames_and_times(tmp_path):
    moving = digits(seconds=0.2)
    with Image.open(moving.save(tmp_path / "loop.gif")) as gif:
        times = []
        for t in range(gif.n_frames):
            gif.seek(t)
            times.append(gif.info["duration"])
        assert (gif.n_frames, gif.info["loop"]) == (4, 0)
        assert times == [800, 200, 200, 800]
        error = np.abs(np.asarray(gif.convert("RGB"), dtype=int) - moving.frames[-1]).mean()
    assert error < 3  # of 255: one palette of 256 colours serves all frames
    assert "data:image/gif;base64," in moving._repr_html_()


def test_a_page_holds_all_it_needs(tmp_path):
    text = digits().save(tmp_path / "loop.html").read_text()
    assert not re.search(r"https?:|<link|<script src|<img [^>]*src", text)
    pictures = re.findall(r'data:image/png;base64,([^"]+)', text)
    assert len(pictures) == 4
    with Image.open(io.BytesIO(base64.b64decode(pictures[0]))) as picture:
        assert picture.size == (720, 300)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"generations": 0}, ValueError, "generations=0"),
        ({"kind": "text"}, ValueError, "kind='text'"),
        ({"seconds": 0}, ValueError, "seconds=0"),
        ({"n": 0}, ValueError, "n=0"),
        ({"shape": (7, 8)}, ValueError, r"shape=\(7, 8\)"),
        ({"kind": "images"}, ValueError, "shape=None"),
        ({"loops": 3}, TypeError, "loops=3"),
        ({"loops": {}}, TypeError, "loops="),
        ({"loops": {"a": 1}}, TypeError, "loops="),
    ],
)
def test_bad_input(change, kind, message):
    with pytest.raises(kind, match=message):
        plotting.animate(**({"loops": digit_loops(), "generations": 2} | change))


def test_what_cannot_be_drawn_is_refused_before_a_loop_runs():
    """The second loop's points have no plane, and the first one's model must not be fitted."""

    class Refuses:
        def fit(self, data, *, rng):
            raise AssertionError("fitted")

        def sample(self, n, *, rng):
            raise AssertionError("sampled")

    regime = regimes.replace(n=9)
    plane = mad.Loop(real=mad.Gaussian.standard(2), model=Refuses(), regime=regime)
    line = mad.Loop(real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regime)
    with pytest.raises(ValueError, match="kind='points'"):
        plotting.animate({"plane": plane, "line": line}, 2, kind="points")
    with pytest.raises(ValueError, match="shape="):
        plotting.animate(plane, 2, shape=(3, 3))
    with pytest.raises(ValueError, match="rng='a'"):
        plotting.animate(plane, 2, rng="a")


def test_bad_files(tmp_path):
    moving = plotting.Animation(np.zeros((2, 4, 4, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match=r"does not end in .gif or .html"):
        moving.save(tmp_path / "loop.mp4")
    with pytest.raises(StorageError, match="there is no folder"):
        moving.save(tmp_path / "none" / "loop.gif")
