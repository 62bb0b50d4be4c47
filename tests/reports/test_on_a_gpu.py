"""The page of a run on a GPU, with the test double for CuPy: the same answers and sections."""

import numpy as np
import pytest

from tinynet.reports import inside, measure
from tinynet.training.predict import open_run


@pytest.mark.slow
@pytest.mark.cxx
def test_a_network_on_a_gpu_gives_the_same_page(cupy, folder, sets):
    on_gpu = open_run(folder, "cuda:0")
    found = measure.answers(on_gpu, sets[1])
    np.testing.assert_array_equal(
        found.answers, measure.answers(open_run(folder, "cpu"), sets[1]).answers
    )
    costs, _ = measure.layer_costs(on_gpu.model, on_gpu.prepare(sets[1].images))
    assert all(cost.seconds > 0 for cost in costs)
    assert "filters 3 to 4" in inside.filters(on_gpu)
    assert "The answer of the network" in inside.feature_maps(on_gpu, sets[1], 3)
