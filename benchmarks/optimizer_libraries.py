"""Weights after ten updates by the optimizers of other libraries.

`python -m benchmarks.optimizer_libraries` prints a row for each installed library and each setting.
tests/optim/library_weights.py keeps them, and tests/optim/test_libraries.py compares ours. The
libraries are no dependency of tinynet: install them in an environment of their own.

    pip install torch keras jax optax "mlx[cpu]" tensorflow-cpu paddlepaddle tinygrad dezero
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

Row = Callable[[], np.ndarray]

START = np.array([1.0, -2.0, 0.5, 3.0], np.float32)
RATES = (0.1,) * 6 + (0.01,) * 4
MOMENTUM, DECAY, EPS = 0.9, 0.05, 1e-3
GRADIENTS = np.array(
    [[np.sin(1.7 * t + k) * 10.0 ** (-k) for k in range(4)] for t in range(len(RATES))], np.float32
)
"""Gradients of falling sizes, so that an epsilon of 1e-3 is felt; they do not depend on w."""


def torch_rows() -> dict[str, Row]:
    """PyTorch."""
    import torch

    def run(make: Callable[..., Any], **settings: Any) -> Row:
        def weights() -> np.ndarray:
            p = torch.nn.Parameter(torch.tensor(START))
            optimizer = make([p], lr=RATES[0], **settings)
            for rate, gradient in zip(RATES, GRADIENTS, strict=True):
                optimizer.param_groups[0]["lr"] = rate
                p.grad = torch.tensor(gradient)
                optimizer.step()
            return p.detach().numpy()

        return weights

    sgd, adam, adamw = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW
    return {
        "SGD": run(sgd, momentum=MOMENTUM, weight_decay=DECAY),
        "SGD nesterov": run(sgd, momentum=MOMENTUM, weight_decay=DECAY, nesterov=True),
        "Adam": run(adam, eps=EPS, weight_decay=DECAY),
        "AdamW": run(adamw, eps=EPS, weight_decay=DECAY),
    }


def keras_rows() -> dict[str, Row]:
    """Keras 3, on JAX or TensorFlow."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras

    def run(make: Callable[..., Any], **settings: Any) -> Row:
        def weights() -> np.ndarray:
            p = keras.Variable(START)
            optimizer = make(learning_rate=RATES[0], **settings)
            optimizer.build([p])
            for rate, gradient in zip(RATES, GRADIENTS, strict=True):
                optimizer.learning_rate = rate
                optimizer.apply([keras.ops.array(gradient)], [p])
            return keras.ops.convert_to_numpy(p.value)

        return weights

    sgd, adam, adamw = keras.optimizers.SGD, keras.optimizers.Adam, keras.optimizers.AdamW
    return {
        "SGD": run(sgd, momentum=MOMENTUM),
        "SGD nesterov": run(sgd, momentum=MOMENTUM, nesterov=True),
        "SGD weight_decay": run(sgd, momentum=MOMENTUM, weight_decay=DECAY),
        "Adam": run(adam, epsilon=EPS),
        "Adam weight_decay": run(adam, epsilon=EPS, weight_decay=DECAY),
        "AdamW": run(adamw, epsilon=EPS, weight_decay=DECAY),
    }


def tensorflow_rows() -> dict[str, Row]:
    """TensorFlow 1, as it lives on in `tf.compat.v1`."""
    import tensorflow as tf

    v1 = tf.compat.v1

    def run(make: Callable[[Any], Any]) -> Row:
        def weights() -> np.ndarray:
            with tf.Graph().as_default(), v1.Session() as session:
                p = v1.Variable(START, use_resource=True)
                rate = v1.placeholder(tf.float32, ())
                gradient = v1.placeholder(tf.float32, START.shape)
                step = make(rate).apply_gradients([(gradient, p)])
                session.run(v1.global_variables_initializer())
                for r, g in zip(RATES, GRADIENTS, strict=True):
                    session.run(step, {rate: r, gradient: g})
                return session.run(p)

        return weights

    momentum, adam = v1.train.MomentumOptimizer, v1.train.AdamOptimizer
    return {
        "Momentum": run(lambda rate: momentum(rate, MOMENTUM)),
        "Momentum nesterov": run(lambda rate: momentum(rate, MOMENTUM, use_nesterov=True)),
        "Adam": run(lambda rate: adam(rate, epsilon=EPS)),
    }


def optax_rows() -> dict[str, Row]:
    """Optax."""
    import optax
    from jax import numpy as jnp

    def run(make: Callable[[float], Any]) -> Row:
        def weights() -> np.ndarray:
            p = jnp.asarray(START)
            state = make(RATES[0]).init(p)
            for rate, gradient in zip(RATES, GRADIENTS, strict=True):
                change, state = make(rate).update(jnp.asarray(gradient), state, p)
                p = optax.apply_updates(p, change)
            return np.asarray(p)

        return weights

    decay = optax.add_decayed_weights(DECAY)
    return {
        "sgd": run(lambda rate: optax.chain(decay, optax.sgd(rate, MOMENTUM))),
        "sgd nesterov": run(lambda rate: optax.chain(decay, optax.sgd(rate, MOMENTUM, True))),
        "adam": run(lambda rate: optax.adam(rate, eps=EPS)),
        "adamw": run(lambda rate: optax.adamw(rate, eps=EPS, weight_decay=DECAY)),
    }


def mlx_rows() -> dict[str, Row]:
    """MLX."""
    import mlx.core as mx
    from mlx import optimizers

    def run(make: Callable[..., Any], **settings: Any) -> Row:
        def weights() -> np.ndarray:
            p = {"w": mx.array(START)}
            optimizer = make(learning_rate=RATES[0], **settings)
            for rate, gradient in zip(RATES, GRADIENTS, strict=True):
                optimizer.learning_rate = rate
                p = optimizer.apply_gradients({"w": mx.array(gradient)}, p)
            return np.array(p["w"])

        return weights

    sgd, adam, adamw = optimizers.SGD, optimizers.Adam, optimizers.AdamW
    return {
        "SGD": run(sgd, momentum=MOMENTUM, weight_decay=DECAY),
        "SGD nesterov": run(sgd, momentum=MOMENTUM, weight_decay=DECAY, nesterov=True),
        "Adam": run(adam, eps=EPS),
        "Adam bias_correction": run(adam, eps=EPS, bias_correction=True),
        "AdamW": run(adamw, eps=EPS, weight_decay=DECAY),
        "AdamW bias_correction": run(adamw, eps=EPS, weight_decay=DECAY, bias_correction=True),
    }


def paddle_rows() -> dict[str, Row]:
    """PaddlePaddle."""
    import paddle

    def run(make: Callable[..., Any], **settings: Any) -> Row:
        def weights() -> np.ndarray:
            p = paddle.create_parameter(START.shape, "float32")
            p.set_value(START)
            optimizer = make(learning_rate=RATES[0], parameters=[p], **settings)
            for rate, gradient in zip(RATES, GRADIENTS, strict=True):
                optimizer.set_lr(rate)
                (p * paddle.to_tensor(gradient)).sum().backward()
                optimizer.step()
                optimizer.clear_grad()
            return p.numpy()

        return weights

    momentum, adam, adamw = (getattr(paddle.optimizer, n) for n in ("Momentum", "Adam", "AdamW"))
    return {
        "Momentum": run(momentum, momentum=MOMENTUM, weight_decay=DECAY),
        "Momentum nesterov": run(
            momentum, momentum=MOMENTUM, weight_decay=DECAY, use_nesterov=True
        ),
        "Adam": run(adam, epsilon=EPS),
        "AdamW": run(adamw, epsilon=EPS, weight_decay=DECAY),
    }


def tinygrad_rows() -> dict[str, Row]:
    """Tinygrad."""
    from tinygrad import Context, Tensor
    from tinygrad.nn import optim

    def run(make: Callable[..., Any], **settings: Any) -> Row:
        def weights() -> np.ndarray:
            p = Tensor(START).is_param_()
            optimizer = make([p], lr=RATES[0], **settings)
            with Context(TRAINING=1):
                for rate, gradient in zip(RATES, GRADIENTS, strict=True):
                    optimizer.lr.assign(Tensor([rate]).cast(optimizer.lr.dtype)).realize()
                    p.grad = Tensor(gradient)
                    optimizer.step()
            return p.numpy()

        return weights

    sgd = {"momentum": MOMENTUM, "weight_decay": DECAY}
    return {
        "SGD": run(optim.SGD, **sgd),
        "SGD nesterov": run(optim.SGD, nesterov=True, **sgd),
        "SGD classic": run(optim.SGD, classic=True, **sgd),
        "SGD classic nesterov": run(optim.SGD, classic=True, nesterov=True, **sgd),
        "Adam": run(optim.Adam, eps=EPS),
        "AdamW": run(optim.AdamW, eps=EPS, weight_decay=DECAY),
    }


def mxnet_rows() -> dict[str, Row]:
    """MXNet."""
    import mxnet

    def run(name: str, **settings: Any) -> Row:
        def weights() -> np.ndarray:
            p = mxnet.nd.array(START)
            optimizer = mxnet.optimizer.create(name, learning_rate=RATES[0], **settings)
            update = mxnet.optimizer.get_updater(optimizer)
            for rate, gradient in zip(RATES, GRADIENTS, strict=True):
                optimizer.set_learning_rate(rate)
                update(0, mxnet.nd.array(gradient), p)
            return p.asnumpy()

        return weights

    return {
        "SGD": run("sgd", momentum=MOMENTUM, wd=DECAY),
        "NAG": run("nag", momentum=MOMENTUM),
        "Adam": run("adam", epsilon=EPS, wd=DECAY),
    }


def define_by_run_rows(name: str) -> dict[str, Row]:
    """Chainer and DeZero, whose optimizers have one interface."""
    package = __import__(name)
    optimizers = __import__(f"{name}.optimizers", fromlist=["*"])

    def run(make: Callable[..., Any], rate_name: str = "lr", **settings: Any) -> Row:
        def weights() -> np.ndarray:
            class Model(package.Link if name == "chainer" else package.Layer):
                """One parameter."""

            model = Model()
            if name == "chainer":
                with model.init_scope():
                    model.w = package.Parameter(START.copy())
            else:
                model.w = package.Parameter(START.copy())
            optimizer = make(**{rate_name: RATES[0]}, **settings)
            optimizer.setup(model)
            for rate, gradient in zip(RATES, GRADIENTS, strict=True):
                setattr(optimizer, rate_name, rate)
                if name == "chainer":
                    model.w.grad = gradient.copy()
                else:
                    model.w.grad = package.Variable(gradient.copy())
                optimizer.update()
            return model.w.data

        return weights

    rows = {
        "MomentumSGD": run(optimizers.MomentumSGD, momentum=MOMENTUM),
        "Adam": run(optimizers.Adam, "alpha", eps=EPS),
    }
    if name == "chainer":
        rows["NesterovAG"] = run(optimizers.NesterovAG, momentum=MOMENTUM)
    return rows


LIBRARIES: dict[str, Callable[[], dict[str, Row]]] = {
    "torch": torch_rows,
    "keras": keras_rows,
    "tensorflow-cpu": tensorflow_rows,
    "optax": optax_rows,
    "mlx": mlx_rows,
    "paddlepaddle": paddle_rows,
    "tinygrad": tinygrad_rows,
    "mxnet": mxnet_rows,
    "chainer": lambda: define_by_run_rows("chainer"),
    "dezero": lambda: define_by_run_rows("dezero"),
}


def show(library: str) -> None:
    """Print the rows of a library, in the form that the test keeps."""
    try:
        version = importlib.metadata.version(library)
        found = {setting: weights() for setting, weights in LIBRARIES[library]().items()}
    except (ImportError, AttributeError, TypeError) as error:
        print(f"# {library}: {type(error).__name__}: {error}")  # noqa: T201
        return
    for setting, weights in found.items():
        numbers = ", ".join(f"{w:.8f}" for w in np.asarray(weights, np.float64))
        print(f'("{library} {version}", "{setting}"): ({numbers}),')  # noqa: T201


def main() -> None:
    """Show the named library, or each in a process of its own: two of them may not fit together."""
    if sys.argv[1:]:
        show(sys.argv[1])
        return
    for library in LIBRARIES:
        subprocess.run([sys.executable, "-m", "benchmarks.optimizer_libraries", library])


if __name__ == "__main__":
    main()
