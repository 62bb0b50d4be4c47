"""tinynet on CuPy: devices, copies, refusals. On the stand-in, and on a card where one is."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functions as F
from tinynet.core import backend
from tinynet.core.errors import DeviceError


def test_a_tensor_goes_to_the_card_and_back(cupy):
    x = tn.tensor(np.arange(6.0).reshape(2, 3), device="cuda")
    assert x.device == "cuda:0"
    assert isinstance(x.data, cupy.ndarray)
    assert x.dtype == np.float64
    assert (x.to("cpu").data == np.arange(6).reshape(2, 3)).all()
    assert isinstance(x.numpy(), np.ndarray)
    assert (x * 2).to("cpu").data.tolist() == [[0, 2, 4], [6, 8, 10]]


def test_numbers_and_lists_become_float32_there(cupy):
    for data in (3, 3.0, [1, 2], np.arange(3), np.float64(2)):
        x = tn.tensor(data, device="cuda:0")
        assert x.dtype == (np.float64 if isinstance(data, np.floating) else np.float32)
        assert isinstance(x.data, cupy.ndarray)


def test_the_gradient_travels_back_from_the_card(cupy):
    x = tn.tensor([1.0, 2.0], requires_grad=True)
    y = x.to("cuda")
    (y * y).sum().backward()
    assert isinstance(x.grad, np.ndarray)
    assert x.grad.tolist() == [2, 4]


def test_a_copy_between_two_cards_is_a_copy(two_cards):
    x = tn.tensor(np.arange(6.0).reshape(2, 3), device="cuda:1", requires_grad=True)
    y = (x.transpose() * 2).to("cuda:0")
    assert (y.data.device.id, y.shape) == (0, (3, 2))
    y.sum().backward()
    assert x.grad.device.id == 1
    assert x.grad.get().tolist() == [[2, 2, 2], [2, 2, 2]]
    assert tn.tensor(2.5, device="cuda:1").to("cuda:0").shape == ()


def test_ops_run_where_their_inputs_are(two_cards):
    x = tn.tensor([[1.0, -2.0]], device="cuda:1", requires_grad=True)
    with two_cards.cuda.Device(0):
        y = F.softmax(F.relu(x) + 1).sum()
        y.backward()
    assert y.data.device.id == x.grad.device.id == 1


def test_the_current_device_is_left_as_it_was(two_cards):
    with two_cards.cuda.Device(1):
        tn.tensor([1.0], device="cuda:0") * 2
        assert two_cards.cuda.Device().id == 1


def test_tensors_of_two_cards_are_refused(two_cards):
    a, b = tn.zeros(2, 3, device="cuda:0"), tn.zeros(3, device="cuda:1")
    with pytest.raises(DeviceError, match=r"\(2, 3\) tensor on cuda:0.*\(3,\).*on cuda:1.*x\.to"):
        a + b


def test_a_tensor_of_the_cpu_is_refused(cupy):
    with pytest.raises(DeviceError, match=r"on cuda:0.* on cpu"):
        tn.zeros(2, device="cuda") + tn.zeros(2)


class Stray(tn.Function):
    """An op whose author forgot that arrays may be CuPy's."""

    def __init__(self, backwards):
        self.backwards = backwards

    def forward(self, x):
        return x * 1 if self.backwards else x + np.ones(x.shape, x.dtype)

    def backward(self, gy):
        return gy * np.ones(gy.shape, gy.dtype)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_numpy_array_that_meets_a_cupy_array_is_an_error_that_names_both(cupy, backwards):
    x = tn.zeros(2, 3, device="cuda")
    x.requires_grad = True
    with pytest.raises(DeviceError, match=r"^stray of a cupy array \(2, 3\).*NumPy.*cpu.*cuda:0"):
        Stray(backwards)(x).sum().backward()


class StrayWrite(Stray):
    """The same mistake in a write."""

    def forward(self, x):
        y = x * 1
        y[...] = np.ones(x.shape, x.dtype)
        return y


def test_a_numpy_array_that_is_written_into_a_cupy_array_is_the_same_error(cupy):
    with pytest.raises(DeviceError, match=r"^stray_write of a cupy array \(2, 3\).*NumPy.*cuda:0"):
        StrayWrite(False)(tn.zeros(2, 3, device="cuda"))


def test_a_value_error_of_other_reasons_passes_unchanged(stand_in):
    with (
        pytest.raises(ValueError, match=r"^something else$"),
        backend.current(backend.device("cuda")),
    ):
        raise ValueError("something else")


@pytest.mark.parametrize("count", [8, 9, 20])
def test_any_number_of_arrays_is_joined_without_a_copy_from_the_host(stand_in, count):
    xs = [tn.tensor(np.full((2, 3), float(i), np.float32), device="cuda") for i in range(count)]
    stand_in.card.writes = 0
    for axis in (0, -1):
        joined = F.concatenate(xs, axis=axis)
        assert (joined.numpy() == np.concatenate([x.numpy() for x in xs], axis)).all()
    assert F.stack(xs).shape == (count, 2, 3)
    assert stand_in.card.writes == 0


def test_parameters_move_and_keep_their_values(two_cards):
    model = tn.nn.Sequential(tn.nn.Linear(3, 4), tn.nn.BatchNorm2d(4))
    before = {name: value.copy() for name, value in model.state_dict().items()}
    assert model.to("cuda:1") is model
    assert {p.device for p in model.parameters()} == {"cuda:1"}
    state = model.state_dict()
    assert {a.device.id for a in state.values()} == {1}
    model.to("cpu")
    assert all((model.state_dict()[name] == before[name]).all() for name in before)
    model.to("cuda:1").to(np.float64)
    assert model.parameters()[0].dtype == np.float64
    model.load_state_dict(before)
    assert isinstance(model.parameters()[0].data, two_cards.ndarray)


def test_the_default_device_makes_tensors_there(two_cards):
    with tn.default_device("cuda:1"):
        made = [tn.tensor([1.0]), tn.zeros(2), *tn.nn.Linear(2, 2).parameters()]
    assert {x.device for x in made} == {"cuda:1"}
    assert {x.data.device.id for x in made} == {1}


def test_each_thread_has_its_own_current_device(two_cards):
    import threading

    def work():
        results.append((tn.tensor([2.0], device="cuda:1") ** 2).to("cpu").data.tolist())

    results = []
    with two_cards.cuda.Device(0):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert results == [[4.0]]


# what can be missing: one sentence each, with the way out


def test_a_card_that_is_not_there_is_counted(stand_in):
    with pytest.raises(DeviceError, match=r'"cuda:7".*has 2 CUDA device.*cpu:7'):
        tn.zeros(2, device="cuda:7")


def test_without_a_driver_the_system_is_named(stand_in):
    stand_in.card.driver = 0
    with pytest.raises(DeviceError, match=r"no NVIDIA driver.*not from pip.*nvidia-smi"):
        backend.device("cuda")


@pytest.mark.parametrize(
    ("driver", "way"),
    [(12080, "pip uninstall cupy-cuda13x.*cupy-cuda12x"), (11040, "newer driver")],
)
def test_a_driver_that_is_too_old_is_compared(stand_in, driver, way):
    stand_in.card.driver = driver
    ends = f"{driver // 1000}.{driver // 10 % 100}"
    with pytest.raises(DeviceError, match=f"built for CUDA 13 .* ends at CUDA {ends}.*{way}"):
        backend.device("cuda")


def test_a_driver_without_a_card_names_the_variable_that_hides_cards(stand_in):
    stand_in.card.count = 0
    with pytest.raises(DeviceError, match=r"CUDA 13\.0.*no usable GPU.*CUDA_VISIBLE_DEVICES"):
        tn.tensor([1.0], device="cuda")


def test_a_cupy_that_does_not_load_says_why(monkeypatch, tmp_path):
    (tmp_path / "cupy.py").write_text("raise ImportError('libcudart is broken\\nmore')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "cupy", raising=False)
    with pytest.raises(DeviceError, match=r"does not load \(libcudart is broken\).*pip install"):
        backend.device("cuda")


def test_full_memory_names_the_op_and_the_sizes(stand_in):
    x = tn.zeros(256, 1024, device="cuda")
    pool = stand_in.get_default_memory_pool()
    pool.free_all_blocks()
    pool.set_limit(pool.total_bytes() + 4096)
    with pytest.raises(DeviceError, match=r"^add of a.*\(256, 1024\).*full.*1,048,576.*batch"):
        x + x
    with pytest.raises(DeviceError, match=r"copy of \(1000, 1000\) to cuda:0: .*full"):
        tn.tensor(np.zeros((1000, 1000)), device="cuda")


def test_a_missing_library_of_cuda_names_the_extra(stand_in):
    missing = 'Failure finding "libnvrtc.so.13 or libnvrtc.so.12": No such file'
    with (
        pytest.raises(DeviceError, match=r"libnvrtc.so.13.*pip install 'cupy-cuda13x\[ctk\]'"),
        backend.current(backend.device("cuda")),
    ):
        raise RuntimeError(missing)


def test_other_errors_pass_unchanged(stand_in):
    with (
        pytest.raises(TypeError, match=r"^something else$"),
        backend.current(backend.device("cuda")),
    ):
        raise TypeError("something else")
