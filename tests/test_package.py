"""Installed package: its version, its files and the promises of the README."""

import configparser
import importlib.metadata
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tinynet as tn
from tinynet import functions as F
from tinynet import nn
from tinynet.core.extras import DISTRIBUTION, PACKAGES

ROOT = Path(tn.__file__).parent.parent
README = ROOT / "README.md"
needs_checkout = pytest.mark.skipif(not README.exists(), reason="tinynet is not a checkout here")


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


# metadata


def test_the_installed_version_is_the_one_of_the_code():
    assert importlib.metadata.version(DISTRIBUTION) == tn.__version__


def test_python_and_numpy_are_bounded():
    metadata = importlib.metadata.metadata(DISTRIBUTION)
    assert metadata["Requires-Python"] == ">=3.11"
    assert "numpy<2.6,>=2.0" in metadata.get_all("Requires-Dist")


def test_every_extra_is_there():
    extras = set(importlib.metadata.metadata("tinynet-alexnet").get_all("Provides-Extra"))
    files = {"hdf5", "onnx", "parquet"}
    people = {"dev", "lab", "lessons", "oracle", "rivals", "site", "teach"}
    assert extras == {"gpu12", "gpu13", "mpi", "profile"} | files | people


def test_the_command_tinynet_can_be_loaded():
    (command,) = importlib.metadata.entry_points(group="console_scripts", name="tinynet")
    assert callable(command.load())


@needs_checkout
def test_the_packages_that_messages_name_are_those_of_the_extras():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    for extra, packages in PACKAGES.items():
        lines = config["options.extras_require"][extra].split("\n")
        wanted = [re.split("[><=]", line)[0] for line in lines if line and line[0] != "#"]
        assert list(packages) == wanted


@needs_checkout
def test_no_sentence_installs_the_package_of_another_project():
    """The name tinynet on the package index is not ours; nor is a forced reinstall safe."""
    folders = ("tinynet", "benchmarks", "tests", "docs", "lessons")
    kinds = (".py", ".md", ".po", ".ipynb", ".txt", ".rst", ".toml", ".sh")
    paths = [p for f in folders for p in (ROOT / f).rglob("*") if p.suffix in kinds]
    names = ("README.md", "README.ko.md", "CONTRIBUTING.md", "Makefile", "setup.cfg")
    paths += [ROOT / name for name in names]
    advice = re.compile(r"install [^\n]*['\"]?tinynet(\[|['\"\s]|$)|--force-reinstall")
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in paths
        if path != Path(__file__)
        for match in advice.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@needs_checkout
def test_every_dependency_is_imported_somewhere():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    required = [line for line in config["options"]["install_requires"].split("\n") if line.strip()]
    names = {re.match(r"[a-z]+", line)[0] for line in required if not line.startswith("#")}
    sources = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "tinynet").rglob("*.py"))
    imported = set(re.findall(r"^\s*(?:import|from) (\w+)", sources, flags=re.MULTILINE))
    assert {"PIL" if name == "pillow" else name for name in names} - imported == set()


@needs_checkout
def test_every_folder_of_code_is_a_package():
    folders = {p.parent for p in (ROOT / "tinynet").rglob("*.py")}
    assert [str(f) for f in folders if not (f / "__init__.py").exists()] == []


@needs_checkout
def test_the_version_of_the_citation_and_of_the_changelog_is_the_one_of_the_code():
    assert f"\nversion: {tn.__version__}\n" in read("CITATION.cff")
    assert f"## {tn.__version__}" in read("CHANGELOG.md")


# documents


@needs_checkout
def test_readme_makefile_and_ci_run_the_same_test_command():
    assert re.search(r"^ *pytest$", read("README.md"), flags=re.MULTILINE)
    assert re.search(r"^pytest\s+#", read(".ci/run"), flags=re.MULTILINE)
    assert "\t$(BIN)/pytest\n" in read("Makefile")


@needs_checkout
@pytest.mark.parametrize("document", ["README.md", "docs/coming-from-pytorch.md"])
def test_the_python_examples_of_a_document_run(document, tmp_path, monkeypatch):
    examples = re.findall(r"```python\n(.*?)```", read(document), flags=re.DOTALL)
    assert examples
    monkeypatch.chdir(tmp_path)
    names = {}
    for example in examples:
        exec(compile(example, document, "exec"), names)


def test_a_script_beside_the_clone_finds_the_package(tmp_path):
    """The clone is a folder called tinynet, and Python must not take it for the package."""
    (tmp_path / "tinynet").mkdir()
    (tmp_path / "mine.py").write_text("import tinynet\nprint(tinynet.__version__)\n")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    ran = subprocess.run(
        [sys.executable, "mine.py"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (ran.stdout.strip(), ran.stderr) == (tn.__version__, "")


DOCUMENTS = ["README.md", "README.ko.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]


@needs_checkout
@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_a_document_links_to_exists(document):
    links = re.findall(r"\]\(([^)#:]+)\)", read(document))
    assert [link for link in links if not (ROOT / link).exists()] == []


@needs_checkout
@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_of_tinynet_that_a_document_names_exists(document):
    paths = set(re.findall(r"`((?:tinynet|tests|docs|\.ci)/[\w/.-]*)`", read(document)))
    missing = [path for path in paths if not any(ROOT.glob(path.replace("NN", "[0-9][0-9]")))]
    assert missing == []


@needs_checkout
@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_document_holds_a_placeholder(document):
    assert re.findall(r"<<.*?>>", read(document)) == []


@needs_checkout
def test_every_decision_record_has_its_four_parts():
    records = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(r.name[:4]) for r in records] == list(range(1, len(records) + 1))
    for record in records:
        headings = re.findall(r"^## (.*)$", record.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert headings == ["Context", "Choice", "Price", "When to look again"], record.name


# the public

NAMES = {
    tn: "Tensor tensor no_grad default_device seed kernels functions nn optim testing models data",
    F: """conv2d max_pool2d avg_pool2d local_response_norm dropout batch_norm relu tanh sigmoid
        softmax log_softmax linear cross_entropy concatenate pad flatten global_avg_pool2d""",
    nn: """Module Parameter Sequential Conv2d MaxPool2d AvgPool2d LocalResponseNorm BatchNorm2d
        Linear Dropout Flatten ReLU Tanh Sigmoid GlobalAvgPool2d AdaptiveAvgPool2d
        LocallyConnected2d SpatialResponseNorm Concatenate Residual Subsample Identity Softmax
        CrossEntropyLoss MSELoss""",
    tn.optim: "SGD Adam AdamW",
    tn.schedules: "MultiStep Cosine ReduceOnPlateau Constant",
    tn.testing: "check_gradient check_adjoint check_kernel check_layer",
    tn.models: "build names",
    tn.data: "CIFAR10 MNIST Shapes",
    tn.Tensor: """data grad device shape dtype requires_grad backward to numpy item detach
        sum mean max min var std argmax argmin reshape view transpose permute T ndim size numel
        flatten squeeze unsqueeze abs exp log sqrt clip clone cpu tolist astype""",
}


@pytest.mark.parametrize("home", NAMES, ids=lambda home: home.__name__)
def test_the_promised_names_are_public(home):
    thing = tn.tensor([1.0], requires_grad=True) if home is tn.Tensor else home
    assert [name for name in NAMES[home].split() if not hasattr(thing, name)] == []


SIGNATURES = {
    tn.data.DataLoader: "(dataset, batch_size, *, shuffle=False, transform=None, seed=0, "
    "drop_last=False)",
    tn.fit: "(model, optimizer, train, test=None, *, epochs, validation=None, state=None, "
    "every_step=False, ranks=None)",
    tn.evaluate: "(model, images, *, transform='training')",
    F.conv2d: "(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1)",
    F.max_pool2d: "(x, kernel_size, stride=None, padding=0, *, ceil_mode=False)",
    F.avg_pool2d: "(x, kernel_size, stride=None, padding=0, ceil_mode=False, "
    "count_include_pad=True)",
    F.local_response_norm: "(x, n=5, *positional, k=2.0, alpha=0.0001, beta=0.75, groups=1)",
    F.dropout: "(x, p=0.5, *, training=True)",
    F.batch_norm: "(x, weight, bias, running_mean, running_var, *, training, momentum=0.1, "
    "eps=1e-05)",
    F.softmax: "(x, axis=-1, **unknown)",
    F.log_softmax: "(x, axis=-1, **unknown)",
    F.linear: "(x, weight, bias=None)",
    F.cross_entropy: "(scores, labels)",
    F.concatenate: "(xs, axis=0, **unknown)",
    F.pad: "(x, widths)",
    nn.Conv2d: "(in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, "
    "groups=1, bias=True)",
    nn.MaxPool2d: "(kernel_size, stride=None, padding=0, *, ceil_mode=False)",
    nn.AvgPool2d: "(kernel_size, stride=None, padding=0, *, ceil_mode=False, "
    "count_include_pad=True)",
    nn.LocalResponseNorm: "(n=5, *, k=2.0, alpha=0.0001, beta=0.75, groups=1)",
    nn.Linear: "(in_features, out_features, bias=True)",
    tn.optim.SGD: "(parameters, lr, momentum=0.0, weight_decay=0.0, nesterov=False, rule='paper', "
    "*, decoupled_weight_decay=False)",
    tn.optim.Adam: "(parameters, lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0, *, "
    "decoupled_weight_decay=False, bias_correction=True, uncorrected_eps=False)",
    tn.models.build: "(name, classes=None, seed=0, variant=None, devices=None, cross_at=None, "
    "**unknown)",
    tn.tensor: "(data, device=None, requires_grad=False, *, dtype=None)",
}


@pytest.mark.parametrize("function", SIGNATURES, ids=lambda function: function.__qualname__)
def test_signatures_are_the_promised_ones(function):
    signature = inspect.signature(function)
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    assert str(inspect.Signature(bare)) == SIGNATURES[function]


@needs_checkout
@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        ((), "train --out runs/demo-0"),
        (("config.json",), "train --resume runs/demo-0"),
        (("config.json", "result.json"), "look runs/demo-0 --gallery --out gallery"),
    ],
)
def test_make_gallery_goes_on_with_the_run_that_is_there(tmp_path, there, wanted):
    for name in (".venv/installed", "setup.cfg", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "runs" / "demo-0").mkdir(parents=True)
    for name in there:
        (tmp_path / "runs" / "demo-0" / name).touch()
    program = tmp_path / "tinynet"
    program.write_text("#!/bin/sh\necho said: $*\n")
    program.chmod(0o755)
    command = [
        "make",
        "-f",
        ROOT / "Makefile",
        "-o",
        ".venv/installed",
        f"BIN={tmp_path}",
        "gallery",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    first, *_ = (line for line in done.stdout.splitlines() if line.startswith("said: "))
    assert first == f"said: {wanted}"
