"""Response normalization, its order, its copies, and batch normalization (section 3.3)."""

from tinynet.claims.claim import Arm, Claim, Comparison
from tinynet.claims.trial import Trial

NET = Trial(network="four-layers")

LRN = Claim(
    name="lrn",
    title="Local response normalization lowers the error",
    statement="A network with local response normalization (LRN) has a lower test error than "
    "without.",
    source="Krizhevsky et al. 2012, section 3.3",
    published="13 % without, 11 % with LRN: a four-layer network on CIFAR-10; "
    "on ImageNet 1.4 points (top-1)",
    lab_note="The two layer files of CIFAR-10 differ in more than LRN: the 11 % file has 64 "
    "filters in place of 32 in a locally connected layer, and another weight cost. The ImageNet "
    "run without LRN also lacks a second, spatial normalization. Neither is a pure ablation.",
    about="The network of 2012 sees pixels from 0 to 255; here the input has deviation 1, and "
    "activations are small. With the paper's constants LRN is then nearly a constant gain, "
    "2**-0.75, which has an arm of its own. alpha = 0.1 makes the neighbors count.",
    base=NET,
    arms={
        "no LRN": Arm(),
        "LRN, the paper's constants": Arm(options={"norm": "lrn"}),
        "LRN, alpha 0.1": Arm(options={"norm": "lrn-strong"}),
        "LRN of the 11 % network": Arm(options={"norm": "lrn-cifar"}),
        "constant gain": Arm(options={"norm": "gain"}),
    },
    measures=("test_error", "train_error", "gap"),
    comparisons=(
        Comparison(better="LRN, the paper's constants", worse="no LRN"),
        Comparison(better="LRN, alpha 0.1", worse="no LRN"),
        Comparison(better="LRN, alpha 0.1", worse="constant gain"),
    ),
)

POOL_NORM = Claim(
    name="pool-norm",
    title="Normalize, then pool",
    statement="The order of normalization and pooling matters: the paper normalizes first, Caffe's "
    "reference network pools first.",
    source="Krizhevsky et al. 2012, section 3.5; Caffe's bvlc_reference_caffenet",
    published="Caffe: 57.4 % against 57.1 % (top-1 accuracy on ImageNet, center crop) in favor of "
    "pooling first; their initial biases differ too",
    about="Pooling first normalizes a quarter of the values, so it is cheaper.",
    base=NET,
    arms={
        "normalize first": Arm(options={"norm": "lrn-strong"}),
        "pool first": Arm(options={"norm": "lrn-strong", "norm_first": False}),
        "normalize first, alpha 1e-4": Arm(options={"norm": "lrn"}),
        "pool first, alpha 1e-4": Arm(options={"norm": "lrn", "norm_first": False}),
    },
    measures=("test_error", "train_error"),
    comparisons=(
        Comparison(better="normalize first", worse="pool first"),
        Comparison(better="normalize first, alpha 1e-4", worse="pool first, alpha 1e-4"),
    ),
    neutral=True,
)

KERAS_LRN = Claim(
    name="keras-lrn",
    title="A copied mistake: the LRN of a Keras post",
    statement="The layer of a widely copied Keras post, which sums all channels over 5x5 pixels, "
    "is worse than the paper's LRN.",
    source="`tinynet.nn.mistakes.KerasPostLRN`; the paper's equation is in section 3.3",
    published="none: the post did not compare",
    about="A wrong layer still trains. At the paper's alpha neither layer does much; at alpha = "
    "0.1 both do.",
    base=NET,
    arms={
        "paper's LRN, alpha 0.1": Arm(options={"norm": "lrn-strong"}),
        "the post's, alpha 0.1": Arm(options={"norm": "keras-post-strong"}),
        "paper's LRN, alpha 1e-4": Arm(options={"norm": "lrn"}),
        "the post's, alpha 1e-4": Arm(options={"norm": "keras-post"}),
    },
    measures=("test_error", "train_error"),
    comparisons=(
        Comparison(better="paper's LRN, alpha 0.1", worse="the post's, alpha 0.1"),
        Comparison(better="paper's LRN, alpha 1e-4", worse="the post's, alpha 1e-4"),
    ),
)

BATCH_NORM = Claim(
    name="batch-norm",
    title="Batch normalization in place of LRN",
    statement="With batch normalization in the places of LRN the test error is lower.",
    source="Ioffe and Szegedy 2015 leave LRN out; many later AlexNets have batch normalization",
    published="none for this exchange alone",
    about="Each arm has the best of the same three learning rates, chosen on held-out training "
    "images.",
    base=Trial(network="four-layers", settings={"validation": 0.1}),
    arms={
        "batch normalization": Arm(options={"norm": "batch"}),
        "LRN, alpha 0.1": Arm(options={"norm": "lrn-strong"}),
        "neither": Arm(),
    },
    rates=(0.005, 0.015, 0.05),
    measures=("test_error", "train_error"),
    comparisons=(
        Comparison(better="batch normalization", worse="LRN, alpha 0.1"),
        Comparison(better="batch normalization", worse="neither"),
    ),
)


def _post(rate: float, epochs: int, **options: object) -> Arm:
    settings = {"lr": rate, "epochs": epochs}
    return Arm(options=options, settings=settings)


BATCH_NORM_POST = Claim(
    name="batch-norm-post",
    title="A post's search for settings, with a validation set",
    statement="Of the settings that a post tried on the test images (Adam at 1e-4 or 5e-5, 5 or 10 "
    "epochs, one more hidden layer), the smaller rate with 10 epochs is the best.",
    source="A Korean post that trains AlexNet with batch normalization on CIFAR-10; its comment "
    "says 0.001, its code 0.0001",
    published="chosen by the test accuracy, one run of each",
    about="The same settings in a small AlexNet with batch normalization, judged on held-out "
    "training images; the test error is shown beside it.",
    base=Trial(
        network="five-convolutions",
        options={"norm": "batch"},
        settings={"optimizer": "adam", "schedule": (), "validation": 0.1, "weight_decay": 0.0},
    ),
    arms={
        "1e-4, 5 epochs": _post(1e-4, 5),
        "5e-5, 5 epochs": _post(5e-5, 5),
        "1e-3, 5 epochs": _post(1e-3, 5),
        "1e-4, 10 epochs": _post(1e-4, 10),
        "5e-5, 10 epochs": _post(5e-5, 10),
        "1e-3, 10 epochs": _post(1e-3, 10),
        "1e-4, 10 epochs, one more hidden layer": _post(1e-4, 10, hidden_layers=3),
    },
    measures=("validation_error", "test_error"),
    comparisons=(
        Comparison(better="5e-5, 10 epochs", worse="1e-4, 10 epochs", measure="validation_error"),
        Comparison(
            better="1e-4, 10 epochs, one more hidden layer",
            worse="1e-4, 10 epochs",
            measure="validation_error",
        ),
        Comparison(better="1e-3, 10 epochs", worse="1e-4, 10 epochs", measure="validation_error"),
    ),
    most_seeds=3,
)

CLAIMS = (LRN, POOL_NORM, KERAS_LRN, BATCH_NORM, BATCH_NORM_POST)
