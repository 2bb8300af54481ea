"""SIMS and Neon around an image diffusion, in a loop with a store."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from tiny_diffusion import Fixed, pictures, pixels_digest, rng, tiny

import madtheory as mad
from madtheory import regimes, treatments
from madtheory.images import Images
from madtheory.images.store import fingerprint
from madtheory.models import SIMS, Neon, select_guidance
from madtheory.networks import EDM, Heun

KINDS = {"SIMS": SIMS, "Neon": Neon}
GENERATIONS = 2


def base(store, **settings):
    return tiny(store, training={"images": 48}, sampler=Heun(2), **settings)


def run(model, generations=GENERATIONS):
    """The snapshots of a loop that replaces its data."""
    loop = mad.Loop(real=Fixed(), model=model, regime=regimes.replace(n=16))
    snapshots = mad.iterate(loop, rng=11)
    return [next(snapshots) for _ in range(generations)]


def improved(kind, w, store, **settings):
    return KINDS[kind](base(store), w, budget=32, n_auxiliary=12, learning_rate=5e-4, **settings)


def written(folder):
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One store for all: what two loops share is made once."""
    return tmp_path_factory.mktemp("improved")


@pytest.fixture(scope="module")
def plain(store):
    return run(base(store))


@pytest.mark.parametrize("kind", KINDS)
def test_weight_0_is_the_base_bit_for_bit(kind, store, plain):
    for found, expected in zip(run(improved(kind, 0.0, store)), plain, strict=True):
        assert found.model.law is found.model.base
        assert fingerprint(found.model.base.weights) == fingerprint(expected.model.weights)
        assert found.training_set.fingerprint() == expected.training_set.fingerprint()
        assert pixels_digest(found.model.sample(6, rng=rng(1))) == pixels_digest(
            expected.model.sample(6, rng=rng(1))
        )
    # Negative control: some guidance makes another second generation.
    other = run(improved(kind, 1.0, store))[-1]
    assert other.training_set.fingerprint() != plain[-1].training_set.fingerprint()
    assert fingerprint(other.model.base.weights) != fingerprint(plain[-1].model.weights)


@pytest.mark.parametrize("kind", KINDS)
def test_weight_minus_1_is_the_auxiliary_trained_by_budget(kind, store, plain):
    """The self-trained model: its images, and those that the next generation trains on."""
    first, second = run(improved(kind, -1.0, store))
    trained = first.model
    assert trained.law is trained.auxiliary is not None
    assert fingerprint(trained.base.weights) == fingerprint(plain[0].model.weights)
    assert fingerprint(trained.auxiliary.weights) != fingerprint(trained.base.weights)
    found = trained.sample(6, rng=rng(1))
    assert isinstance(found, Images)
    assert found.labelled
    assert pixels_digest(found) == pixels_digest(trained.auxiliary.sample(6, rng=rng(1)))
    # Trained by hand: as many samples of the base, as many images seen, at that learning rate.
    streams = mad.iterate(mad.Loop(real=Fixed(), model=base(None), regime=regimes.replace(n=16)), rng=11)
    generator = next(streams).streams(1, "fit")
    fitted = base(None).fit(first.training_set, rng=generator)
    by_hand = fitted.fine_tuned(
        fitted.sample(12, rng=generator), images=32, learning_rate=5e-4, rng=generator
    )
    assert fingerprint(by_hand.weights) == fingerprint(trained.auxiliary.weights)
    assert second.training_set.fingerprint() != plain[1].training_set.fingerprint()


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_run_writes_nothing(kind, store):
    def digests(snapshots):
        return [(s.training_set.fingerprint(), fingerprint(s.model.auxiliary.weights)) for s in snapshots]

    first = digests(run(improved(kind, 0.5, store)))
    before = written(store)
    assert digests(run(improved(kind, 0.5, store))) == first
    assert written(store) == before
    assert digests(run(improved(kind, 0.5, None))) == first


def test_neon_is_the_extrapolated_network(store):
    model = run(improved("Neon", 0.7, store), 1)[0].model
    assert set(model.law.weights) == set(model.base.weights)
    moved = 0
    for name in model.law.weights:
        base_, auxiliary, law = (
            np.asarray(m.weights[name]) for m in (model.base, model.auxiliary, model.law)
        )
        assert law.dtype == base_.dtype
        np.testing.assert_allclose(law, 1.7 * base_.astype(float) - 0.7 * auxiliary, atol=1e-6)
        moved += (law != base_).any()
    assert moved > 10


def test_sims_is_the_sum_of_two_denoisers(store):
    """Where one evaluation makes an image, pixels are linear in the guidance, up to their rounding."""
    fitted = run(base(store), 1)[0].model
    far = fitted.fine_tuned(pictures(), images=64, learning_rate=0.02, rng=rng(0))
    one_step = [replace(model, sampler=Heun(1), process=EDM(sigma_max=1.0)) for model in (fitted, far)]
    seeds, labels = np.arange(20, dtype=np.uint64), np.arange(20) % 3
    base_, auxiliary = (np.asarray(m.generate(seeds, labels)).astype(int) for m in one_step)
    found = np.asarray(one_step[0].guided(one_step[1], 1.0).generate(seeds, labels)).astype(int)
    inside = (base_ > 0) & (base_ < 255) & (auxiliary > 0) & (auxiliary < 255)
    inside &= (2 * base_ - auxiliary >= 0) & (2 * base_ - auxiliary <= 255)
    assert inside.mean() > 0.5
    assert np.abs(found - (2 * base_ - auxiliary))[inside].max() <= 2
    assert np.abs(base_ - auxiliary).max() > 4  # negative control: the two differ by more


def test_another_weight_needs_no_training(store):
    model, before = run(improved("SIMS", 0.5, store), 1)[0].model, written(store)
    assert pixels_digest(model.at(0.5).sample(7, rng=rng(2))) == pixels_digest(model.sample(7, rng=rng(2)))
    assert pixels_digest(model.at(0.9).sample(7, rng=rng(2))) != pixels_digest(model.sample(7, rng=rng(2)))
    assert not [path for path in set(written(store)) - set(before) if "/fits/" in path]


def test_auxiliary_on_treated_images(store):
    """Distribution control: the auxiliary sees what a treatment lets pass."""
    seen = []

    def bright(pixels, labels):
        seen.append(labels)
        return labels == 1

    def inverted(pixels):
        return 255 - pixels

    by = (treatments.verify(bright), treatments.project(inverted))
    model = run(improved("SIMS", 0.5, store, treatments=by), 1)[0].model
    synthetic = model._synthetic(model.base, 12, False, rng(0))
    assert (synthetic.labels == 1).all()
    assert len(synthetic) == 12
    plain = run(improved("SIMS", 0.5, store), 1)[0].model
    assert fingerprint(model.base.weights) == fingerprint(plain.base.weights)
    assert fingerprint(model.auxiliary.weights) != fingerprint(plain.auxiliary.weights)
    assert seen


@pytest.mark.parametrize("kind", KINDS)
def test_a_treated_loop_of_an_improved_model(kind, store):
    """Curation of what the guided model makes, for a model without classes."""

    def brightness(pixels):
        return pixels.mean((1, 2, 3)) / 50

    class Unlabelled:
        def sample(self, n, *, rng):
            return pictures(classes=None).select(np.arange(n))

    model = KINDS[kind](base(store, classes=None), 0.5, budget=16, n_auxiliary=8)
    treated = (treatments.curate(brightness, choices=3, noise="hard"),)
    loop = mad.Loop(real=Unlabelled(), model=model, regime=regimes.replace(n=16), treatments=treated)
    second = mad.step(loop, mad.start(loop, rng=0))
    drawn = mad.start(loop, rng=0).model.sample(48, rng=second.streams(2, "synthetic"))
    best = drawn.valued(brightness).reshape(16, 3)
    np.testing.assert_allclose(second.training_set.valued(brightness), best.max(1))
    assert not second.training_set.labelled
    assert second.training_set.parts[0] == drawn.parts[0]


def test_guidance_is_chosen_on_images(store):
    fitted = run(improved("SIMS", 0.0, store), 1)[0].model

    def metric(images):
        assert isinstance(images, Images)
        return abs(images.valued(lambda pixels: pixels.mean((1, 2, 3))).mean() - 127)

    found = select_guidance(fitted, metric=metric, grid=[-1.0, 0.0, 1.0], n=8, rng=rng(0))
    assert found.guidance in (-1.0, 0.0, 1.0)
    assert len(set(found.values)) == 3
