"""`tinynet summary` and `tinynet info`: counts of networks, and versions of this machine."""

import re

import numpy as np
import pytest

import tinynet


def test_the_summary_of_alexnet_has_the_papers_totals(tinynet_says):
    said = tinynet_says("summary", "alexnet")
    total = said.out.splitlines()[-1].split()
    assert total[:3] == ["total", "60,965,224", "724,406,816"]
    assert re.search(r"features\.0 +Conv2d +\(1, 96, 55, 55\) +34,944 +105,415,200", said.out)


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"),
    [("cifar-quick", "145,578", "12,354,176"), ("cifar-18pct", "89,578", "12,298,240")],
)
def test_the_summaries_of_cuda_convnets_nets_have_their_totals(
    tinynet_says, name, parameters, multiply_adds
):
    total = tinynet_says("summary", name).out.splitlines()[-1].split()
    assert total[:3] == ["total", parameters, multiply_adds]


def test_a_summary_of_a_variant(tinynet_says):
    said = tinynet_says("summary", "alexnet", "--variant", "torchvision").out
    assert said.startswith("alexnet, torchvision: 1000 classes")
    assert said.splitlines()[-1].split()[1:3] == ["61,100,840", "714,188,480"]


def test_the_difference_of_two_variants_is_layers_and_forks(tinynet_says):
    said = tinynet_says("summary", "--diff", "paper", "code2012").out
    assert re.search(r"^\+ +SpatialResponseNorm +256x27x27$", said, re.MULTILINE)
    assert re.search(r"^ +total +60,965,224 +60,965,224 ", said, re.MULTILINE)
    assert re.search(r"^LRN\n  paper: .*0\.0001 .*\n  code2012: .*2e-05 ", said, re.MULTILINE)
    assert "order, layer 3" not in said  # there they agree


def forks(said):
    """Return {fork: [what the first does, what the second does]} of a --diff."""
    found = re.findall(r"^(\S.*)\n  \S+: +(.*)\n  \S+: +(.*)$", said, re.MULTILINE)
    return {fork: ways for fork, *ways in found}


def test_the_forks_are_in_words_that_do_not_contradict_themselves(tinynet_says):
    found = forks(tinynet_says("summary", "--diff", "paper", "keras-same").out)
    assert found["initial biases"] == [
        "1 in conv2, conv4, conv5 and the hidden layers, else 0",
        "0",
    ]
    assert found["LRN"][1] == "wrong: the mean of the squares in a window, summed over all channels"
    assert "5x5 pixels" in found["LRN's windows"][1]
    two, one = found["rounding of sums"]
    assert "that of two GPUs" in two
    assert "that of one device" in one


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["alexnet", "--variant", "batchnorm-227"], "1,216 running means and variances"),
        (["resnet-18"], "9,600 running means and variances"),
        (["alexnet"], None),
    ],
)
def test_what_batch_normalization_remembers_is_counted_apart(tinynet_says, arguments, line):
    *_, total, last = tinynet_says("summary", *arguments).out.splitlines()
    if line is None:
        assert last.startswith("total ")
    else:
        assert (total[:6], last) == ("total ", f"not trained: {line}")


def test_the_difference_of_two_models_pairs_what_multiplies(tinynet_says):
    lines = tinynet_says("summary", "--diff", "vgg-11", "vgg-13").out.splitlines()
    extra = [line for line in lines if line.startswith(("+", "-")) and "Conv2d" in line]
    assert len(extra) == 2


def test_a_summary_leaves_random_numbers_and_later_weights_alone(tinynet_says):
    before = tinynet.models.build("demo").state_dict()["0.weight"]
    tinynet_says("summary", "demo")
    np.testing.assert_array_equal(tinynet.models.build("demo").state_dict()["0.weight"], before)
    assert before.any()


def test_info_names_versions_threads_and_kernels(tinynet_says):
    said = tinynet_says("info", "--kernels")
    for word in ("tinynet", "numpy", "threads", "kernel cache"):
        assert re.search(rf"^{word} ", said.out, re.MULTILINE)
    assert re.search(r"^conv2d_forward +reference, numba", said.out, re.MULTILINE)


def test_without_numba_info_and_warm_say_so(tinynet_says, monkeypatch):
    monkeypatch.setattr("tinynet.analysis.environment.has_numba", lambda: False)
    monkeypatch.setattr("tinynet.cli.inspect.has_numba", lambda: False)
    assert re.search(
        r"^kernels +reference(, cuda_on_cpu)?$", tinynet_says("info").out, re.MULTILINE
    )
    said = tinynet_says("warm")
    assert said.code == 1
    assert "Numba is not installed" in said.err


def test_the_summary_of_a_run_names_its_network(finished, tinynet_says):
    said = tinynet_says("summary", finished.folder)
    assert said.code == 1
    assert f"{finished.folder} is a run of demo. Type: tinynet summary demo" in said.err
