"""Summaries of two towers that cross at another layer."""

import pytest

from tinynet.analysis import communication, memory_report, summary

NAME = "small-alexnet-two-towers"


def parameters(cross_at):
    _, layers = summary.counted(NAME, cross_at=cross_at)
    return {layer.name: layer.parameters for layer in layers if ".conv" in layer.name}


def test_the_layer_that_sees_all_maps_has_twice_the_weights():
    at_3 = parameters(None)
    at_4 = parameters("conv4")
    grown = {name for name in at_4 if at_4[name] > at_3[name]}
    shrunk = {name for name in at_4 if at_4[name] < at_3[name]}
    assert {name.split(".")[2] for name in grown} == {"conv4"}
    assert {name.split(".")[2] for name in shrunk} == {"conv3"}
    assert parameters("conv3") == at_3


def test_the_pages_say_and_count_it():
    assert "crossing at conv4" in summary.page(NAME, cross_at="conv4")
    assert "crossing" not in summary.page(NAME)
    pages = [communication.page(NAME, 1, cross_at=cross) for cross in (None, "conv4", "nowhere")]
    assert ["conv3" in page for page in pages] == [True, False, False]
    assert ["conv4" in page for page in pages] == [False, True, False]
    assert memory_report.page(NAME, 1, cross_at="conv4") != memory_report.page(NAME, 1)


def test_other_models_have_no_cross_layer():
    with pytest.raises(ValueError, match="'demo' has no two towers"):
        summary.page("demo", cross_at="conv4")
