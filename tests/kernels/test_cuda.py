"""CUDA kernel launches: argument checks, several blocks, large arrays."""

import mmap
import sys

import numpy as np
import pytest

from tinynet import kernels
from tinynet.kernels.cuda import launch as launch_module
from tinynet.kernels.cuda.launch import Build, Parameter, cover, launch
from tinynet.kernels.cuda.on_cpu import ORDERS, execution_order
from tinynet.kernels.geometry import Geometry
from tinynet.testing import check_kernel
from tinynet.testing.cases import cases_for

pytestmark = pytest.mark.cxx
WITH_CUDA = [k for k in kernels.KERNELS if "cuda" in k.implementations]
POOL = (1, 4, 4, 2, 2, 0, 0, -1, 0)  # one plane of 4x4
WINDOWS = {"KH": 2, "KW": 2, "SH": 2, "SW": 2}


@pytest.fixture
def pool():
    """Return x, y and argmax for a pooling of one 4x4 image."""
    x = np.arange(16, dtype=np.float32).reshape(4, 4)
    return x, np.empty((2, 2), np.float32), np.empty((2, 2), np.uint8)


def pooled(x, y, winner, sizes=POOL):
    launch("max_pool", "max_pool2d_forward", cover(4), x, *sizes, y, winner, **WINDOWS)
    return y


def test_a_kernel_is_launched_with_plain_numbers(pool):
    assert pooled(*pool).tolist() == [[5, 7], [13, 15]]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda x, y, w: (x.T, y, w), r"max_pool2d_forward: x must be .*float32.*strides \(4, 16"),
        (lambda x, y, w: (x, y.astype(np.float64), w), "y must be a row-major array of float32"),
        (lambda x, y, w: (x, y, w.astype(np.int32)), "argmax must be a row-major array of uint8"),
        (lambda x, y, w: (x, y, 3), "argmax must be a row-major array of uint8. Got 3"),
        (
            lambda x, y, w: (w, y, w),
            "compiled for float32 and float64; the first array is of uint8",
        ),
    ],
)
def test_an_array_that_the_kernel_would_misread_is_refused(pool, spoil, why):
    with pytest.raises(TypeError, match=why):
        pooled(*spoil(*pool))


def test_an_output_that_may_not_be_written_is_refused(pool):
    pool[1].flags.writeable = False
    with pytest.raises(TypeError, match="y is written to, but the array is read-only"):
        pooled(*pool)


def test_a_number_that_does_not_fit_its_parameter_is_refused(pool):
    with pytest.raises(OverflowError):
        pooled(*pool, sizes=(2**31, *POOL[1:]))


def test_a_missing_argument_is_refused(pool):
    with pytest.raises(TypeError, match="has 12 parameters, got 11"):
        pooled(*pool, sizes=POOL[:-1])


def updated(*lists, sizes=(4, 4)):
    grid = launch_module.Grid((1, 2))
    launch(
        "momentum", "momentum_update", grid, *lists, list(sizes), 0.5, None, 0.0, 0.0, False, True
    )


def test_a_list_of_arrays_is_one_argument():
    lists = [[np.full(4, value, "f") for value in values] for values in ((1, 2), (4, 6), (0, 0))]
    updated(*lists)
    assert [w.tolist() for w in lists[0]] == [[-1] * 4, [-1] * 4]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda w, g, v: (w, [g[0], g[0].astype("d")], v), "gradients must be .* float32"),
        (
            lambda w, g, v: (w, g, [v[0], np.zeros(8, "f")[::2]]),
            "velocities must be a row-major array",
        ),
        (lambda w, g, v: (w * 60, g, v), "weights holds up to 96, got 120"),
    ],
)
def test_every_array_of_a_list_is_looked_at(spoil, why):
    lists = [[np.zeros(4, "f") for _ in range(2)] for _ in range(3)]
    with pytest.raises(TypeError, match=why):
        updated(*spoil(*lists))


def test_a_list_of_which_an_array_may_not_be_written_is_refused():
    lists = [[np.zeros(4, "f") for _ in range(2)] for _ in range(3)]
    lists[0][1].flags.writeable = False
    with pytest.raises(TypeError, match="weights is written to, but the array is read-only"):
        updated(*lists)


def test_the_header_and_the_launcher_agree_on_how_many_arrays_a_list_holds():
    assert (
        f"constexpr int LIST_CAPACITY = {launch_module.LIST_CAPACITY};"
        in Build("momentum", "float32").source()
    )


def test_the_declaration_in_the_file_says_what_an_argument_becomes():
    parameters = Build("max_pool", "float64", is_wide=True).signatures()["max_pool2d_backward"]
    assert parameters[:4] == (
        Parameter("gy", "float64", is_pointer=True),
        Parameter("argmax", "uint8", is_pointer=True),
        Parameter("planes", "int64"),
        Parameter("H", "int32"),
    )
    assert parameters[-1] == Parameter("gx", "float64", is_pointer=True, is_written=True)


def test_long_indices_are_taken_where_an_array_is_long(pool, monkeypatch):
    taken = []
    build = launch_module._kernels
    monkeypatch.setattr(launch_module, "_kernels", lambda b, xp: taken.append(b) or build(b, xp))
    pooled(*pool)
    monkeypatch.setattr(launch_module, "NARROW", 15)
    assert pooled(*pool).tolist() == [[5, 7], [13, 15]]
    assert [b.is_wide for b in taken] == [False, True]


@pytest.mark.parametrize("kernel", WITH_CUDA, ids=lambda kernel: kernel.__name__)
def test_the_order_of_threads_and_blocks_changes_no_bit(kernel):
    for name, case in cases_for(kernel.__name__).items():
        results = []
        for order in ORDERS:
            given = [a.copy() if isinstance(a, np.ndarray) else a for a in case]
            with execution_order(order):
                y = kernel.implementations["cuda_on_cpu"](*given)
            arrays = y if isinstance(y, tuple) else given if y is None else (y,)
            results.append([a.tobytes() for a in arrays if isinstance(a, np.ndarray)])
        assert results[0] == results[1] == results[2], name


GEOMETRY = Geometry((3, 3), padding=((1, 1), (1, 1)), groups=2)
LARGE = {
    "matmul": [((130, 70), (70, 200))],  # 3 x 4 tiles, and a sum of 3 pieces
    "conv2d_forward": [((2, 8, 15, 17), (140, 4, 3, 3), (140,)), GEOMETRY],
    "conv2d_backward_input": [((2, 8, 15, 17), (8, 70, 3, 3)), (2, 140, 15, 17), GEOMETRY],
    "conv2d_backward_weight": [((3, 4, 40, 41), (3, 20, 40, 41)), GEOMETRY],  # 2 parts
    "conv2d_backward_bias": [((5, 3, 20, 21),)],
    "conv2d_backward": [
        ((3, 4, 40, 41), (3, 20, 40, 41), (4, 10, 3, 3), (3, 4, 40, 41)),
        *(GEOMETRY, (True, True, True), False),
    ],
    "lrn_forward": [((2, 74, 3, 5),), 5, 2.0, 1.0, 0.75, 2],  # 37 channels in 3 runs
    "lrn_backward": [((2, 74, 3, 5),) * 4, 5, 1.0, 0.75, 2],
    "batch_norm_statistics": [((3, 2, 20, 11),)],  # more pixels than threads
    "batch_norm_relu_backward": [((3, 2, 20, 11),) * 3 + ((2,),) * 3, 0.1, True],
    "relu_backward": [((3, 2, 20, 11),) * 2],
}


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_work_that_takes_several_blocks_and_rounds_is_right(name, dtype, rng):
    shapes, *rest = LARGE[name]
    arrays = [np.abs(rng.standard_normal(shape)) + 0.5 for shape in shapes]
    if name == "lrn_backward":  # y is what the forward pass makes of x and scale
        arrays[2] = arrays[1] * arrays[3] ** -0.75
    kernel = next(k for k in WITH_CUDA if k.__name__ == name)
    check_kernel(
        kernel.implementations["cuda_on_cpu"], *arrays, *rest, against=kernel, dtypes=(dtype,)
    )


def test_a_row_of_scores_may_be_longer_than_a_block(rng):
    for classes in (33, 256, 700):
        scores = rng.standard_normal((3, classes))
        labels = rng.integers(0, classes, 3)
        check_kernel(
            kernels.cross_entropy.implementations["cuda_on_cpu"],
            *(scores, labels),
            against=kernels.cross_entropy,
        )


@pytest.mark.skipif(sys.platform != "linux", reason="asks for memory that is never used")
def test_an_array_of_more_than_2_to_31_elements_is_read_to_its_end():
    side = 46_400
    no_reserve = 0x4000  # Linux: MAP_NORESERVE, which Python does not name before 3.13
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | no_reserve
    memory = mmap.mmap(-1, 4 * side * side, flags=flags)
    x = np.frombuffer(memory, np.float32).reshape(1, 1, side, side)  # zeros, not yet allocated
    assert x.size > 2**31
    far = side - 1
    x[0, 0, ::far, ::far] = [[1, 2], [3, 4]]
    corners = Geometry((1, 1), (far, far))
    with kernels.use("cuda_on_cpu"):
        y, _ = kernels.max_pool2d_forward(x, corners, False)
        mean = kernels.avg_pool2d_forward(x, corners, False, True)
        columns = kernels.im2col(x, corners)
        one = np.ones((1, 1, 1, 1), np.float32)
        z = kernels.conv2d_forward(x, one, None, corners)
    for got in (y, mean, columns, z):
        assert got.reshape(-1).tolist() == [1, 2, 3, 4]


def test_cuda_on_cpu_is_for_numpy_and_cuda_for_cupy():
    x = np.zeros((1, 1, 4, 4), np.float32)
    for kind, taken in {"cuda_on_cpu": "cuda_on_cpu", "cuda": "reference"}.items():
        with kernels.use(kind):
            assert kernels.max_pool2d_forward.kind_for(x) == taken
            assert kernels.max_pool2d_forward.kind_for(x.astype(np.float16)) == "reference"
