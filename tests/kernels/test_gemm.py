"""Matrix products of CUDA arrays: shapes, memory orders, precisions, devices, capture."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinynet as tn
from support.strategies import floats, in_order, integers, orders, seeds, sizes
from tinynet import functions as F
from tinynet.core.errors import DeviceError
from tinynet.kernels import gemm
from tinynet.kernels.cuda import cublas
from tinynet.testing import tolerance

ONE_CARD = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


stacks = st.sampled_from(
    [
        ((), ()),
        ((), (2,)),
        ((3,), ()),
        ((3,), (3,)),
        ((2, 1), (3,)),
        ((2,), (3, 1, 2)),
        ((2, 3), (1, 3)),
    ]
)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_integers_give_the_same_bits_in_every_shape_and_memory_order(cupy, dtype):
    @ONE_CARD
    @given(sizes, sizes, sizes, stacks, st.tuples(orders, orders), seeds)
    def right(M, K, N, batches, memory, seed):
        rng = np.random.default_rng(seed)
        a, b = (
            in_order(integers(rng, (*batch, *shape)).astype(dtype), order)
            for batch, shape, order in zip(batches, [(M, K), (K, N)], memory, strict=True)
        )
        y = gemm(cupy.asarray(a), cupy.asarray(b))
        assert (y.dtype, y.shape) == (dtype, (a @ b).shape)
        assert (y.get() == a @ b).all()

    right()


@pytest.mark.parametrize(
    ("turn", "copies"),
    [
        (lambda x: x, 0),
        (lambda x: x.swapaxes(-1, -2).copy().swapaxes(-1, -2), 0),
        (lambda x: x[..., :3, :4], 0),
        (lambda x: x[..., ::2, :], 0),
        (lambda x: x[..., ::2], 1),
        (lambda x: x[..., ::-1, :], 1),
    ],
    ids=["rows", "columns", "a corner", "every other row", "every other column", "upside down"],
)
@pytest.mark.parametrize("shape", [(8, 8), (2, 8, 8)])
def test_views_are_read_where_they_lie_if_cublas_can(cupy, turn, copies, shape, monkeypatch, rng):
    a, b = (turn(cupy.asarray(integers(rng, shape))) for _ in range(2))
    b = turn(cupy.asarray(integers(rng, shape))).swapaxes(-1, -2)
    seen = []
    call = cublas.Blas.gemm
    monkeypatch.setattr(cublas.Blas, "gemm", lambda *args: (seen.append(args), call(*args)))
    y = gemm(a, b)
    assert (y.get() == a.get() @ b.get()).all()
    (_, first, second, _, _) = seen[0]
    moved = [m.array.data.ptr != x.data.ptr for m, x in ((first, a), (second, b))]
    assert moved == [bool(copies)] * 2


def test_the_product_is_written_where_it_is_wanted(cupy, rng):
    a, b = (cupy.asarray(integers(rng, (2, 4, 4))) for _ in range(2))
    whole = cupy.zeros((2, 6, 10))
    for part in (whole[:, 1:5, 2:6], whole[:, 5::-1, :][:, :4, 6:]):
        y = gemm(a, b, out=part)
        assert y is part
        assert (part.get() == a.get() @ b.get()).all()
        assert whole.sum().item() == (a.get() @ b.get()).sum()
        whole.fill(0)


def test_filters_of_groups_are_not_copied_for_each_image(stand_in, rng):
    filters, columns = (stand_in.asarray(integers(rng, n)) for n in ((2, 3, 4), (5, 2, 4, 6)))
    y = gemm(filters, columns)
    assert (y.get() == filters.get() @ columns.get()).all()
    assert [product[:4] for product in stand_in.card.products] == [(3, 6, 4, 5)] * 2


def test_an_empty_sum_is_zero(cupy):
    y = gemm(cupy.ones((2, 0)), cupy.ones((0, 3)))
    assert y.get().tolist() == [[0, 0, 0], [0, 0, 0]]
    assert gemm(cupy.ones((0, 2)), cupy.ones((2, 3))).shape == (0, 3)


def test_shapes_that_do_not_fit_are_refused(cupy):
    with pytest.raises(ValueError, match=r"gemm: a \(2, 3\) and b \(2, 3\)"):
        gemm(cupy.ones((2, 3)), cupy.ones((2, 3)))


@pytest.mark.parametrize(("kind", "bits"), [("float32", 24), ("tf32", 11), ("bfloat16", 8)])
def test_a_precision_keeps_its_bits_and_no_more(cupy, kind, bits):
    """Products of two numbers near 1, without a sum that could hide the rounding."""
    unit = np.float32(2.0 ** (1 - bits))
    a = np.array([[1 + unit], [1 + unit / 2], [1 + 1.5 * unit], [-3.25]], np.float32)
    with tn.precision(kind):
        y = gemm(cupy.asarray(a), cupy.ones((1, 1), np.float32)).get()
    kept = [1 + unit, 1.0, 1 + 2 * unit, -3.25]  # to nearest, ties to even
    if kind == "float32":
        kept = a[:, 0].tolist()
    assert y[:, 0].tolist() == kept


@pytest.mark.parametrize("kind", ["tf32", "bfloat16"])
def test_sums_stay_float32(cupy, kind, rng):
    """Factors that are exact in 8 bits: only the sum could round, and it does not."""
    a = integers(rng, (3, 4096)).astype(np.float32)
    b = integers(rng, (4096, 2)).astype(np.float32)
    with tn.precision(kind):
        assert (gemm(cupy.asarray(a), cupy.asarray(b)).get() == a @ b).all()
        wide = gemm(cupy.asarray(a, np.float64), cupy.asarray(b, np.float64) / 3)
    assert np.abs(wide.get() - a.astype(np.float64) @ (b.astype(np.float64) / 3)).max() < 1e-9


def test_bfloat16_keeps_nan_and_infinity(cupy):
    a = np.array([[np.nan], [np.inf], [-np.inf]], np.float32)
    with tn.precision("bfloat16"):
        y = gemm(cupy.asarray(a), cupy.ones((1, 1), np.float32)).get()[:, 0]
    assert np.isnan(y[0])
    assert y[1:].tolist() == [np.inf, -np.inf]


def test_an_unknown_precision_is_refused_with_the_known_ones():
    with (
        pytest.raises(ValueError, match=r"float32, tf32, bfloat16, not 'half'"),
        tn.precision("half"),
    ):
        pass


def test_on_numpy_arrays_it_is_numpys(rng):
    a = floats(rng, (2, 3, 4))
    b = floats(rng, (4, 5))
    with tn.precision("bfloat16"):
        assert (gemm(a, b) == a @ b).all()


def test_each_device_and_thread_has_its_own_handle(two_cards):
    def work(number):
        with two_cards.cuda.Device(number):
            y = gemm(two_cards.ones((2, 2)), two_cards.ones((2, 2)))
            handles.append(cublas.blas())
            assert y.get().tolist() == [[2, 2], [2, 2]]

    import threading

    handles = []
    for number in (0, 1, 0):
        work(number)
    thread = threading.Thread(target=work, args=[0])
    thread.start()
    thread.join()
    assert handles[0] is handles[2]
    assert len(set(handles)) == 3


def test_it_can_be_captured_and_keeps_its_workspace(cupy, rng):
    a, b = (cupy.asarray(integers(rng, (4, 4))) for _ in range(2))
    gemm(a, b)  # creates the handle, which cannot be captured
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        y = gemm(a, b)
        graph = stream.end_capture()
    a[...] = 1
    cupy.cuda.Device().synchronize()
    graph.launch()
    cupy.cuda.Device().synchronize()
    assert (y.get() == np.ones((4, 4)) @ b.get()).all()


def test_a_library_that_is_not_there_names_the_extra(stand_in, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setitem(__import__("sys").modules, "cupy", stand_in)
    stand_in.card.runtime = 99000  # a CUDA version that does not exist
    with pytest.raises(DeviceError, match=r"libcublas\.so\.99.*pip install 'cupy-cuda99x\[ctk\]'"):
        cublas.load()


def test_a_failure_of_cublas_names_the_function(stand_in):
    library = cublas.load()
    library.cublasGemmEx.call = lambda *_: 13
    with pytest.raises(DeviceError, match=r"cublasGemmEx.*13"):
        gemm(stand_in.ones((2, 2)), stand_in.ones((2, 2)))


def test_layers_multiply_with_it_forward_and_backward(stand_in, rng):
    """Results equal those of the CPU; the stand-in refuses matrix products by CuPy itself."""
    x = floats(rng, (5, 7))
    w = floats(rng, (3, 7))
    stack = floats(rng, (2, 7, 4))
    found = {}
    for device in ("cpu", "cuda"):
        ts = [tn.tensor(a, device=device, requires_grad=True) for a in (x, w, stack)]
        y = F.linear(ts[0], ts[1]).sum() + (ts[0] @ ts[2]).sum() + (ts[0] @ ts[1][0]).sum()
        y.backward()
        found[device] = [t.to("cpu").data for t in (y, *(tn.Tensor(t.grad, t.device) for t in ts))]
    for cpu, card in zip(found["cpu"], found["cuda"], strict=True):
        assert np.abs(cpu - card).max() <= tolerance(100, np.float64) * np.abs(cpu).max()
    assert len(stand_in.card.products) == 9
