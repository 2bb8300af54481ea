"""Two processes (CPU, gloo) make what one makes: weights of two generations and their synthetic sets."""

import socket

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

from tiny_diffusion import as_one_of_two, forked, two_generations


def test_two_processes_make_the_sets_of_one(tmp_path):
    """Steps of two parts are the same sums on both sides: equal to the last bit."""
    context = forked()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sent = context.Queue()
    children = [context.Process(target=as_one_of_two, args=(r, port, tmp_path, sent)) for r in (0, 1)]
    for child in children:
        child.start()
    of_two = dict(sent.get(timeout=120) for _ in children)
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
    digests = two_generations()
    assert of_two[0] == of_two[1] == digests
    # What one process makes in the same store is read: it is the same run.
    before = sorted(tmp_path.rglob("*"))
    assert two_generations(tmp_path) == digests
    assert sorted(tmp_path.rglob("*")) == before
    assert len(list(tmp_path.glob("fits/*/weights.safetensors"))) == 2
