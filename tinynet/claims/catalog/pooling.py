"""Overlapping against non-overlapping pooling (section 3.4)."""

from tinynet.claims.claim import Arm, Claim, Comparison
from tinynet.claims.trial import Trial

OVERLAP = Claim(
    name="overlap",
    title="Overlapping pooling lowers the error",
    statement="Pooling windows of 3x3 at a stride of 2 give a lower test error than windows of 2x2 "
    "at the same stride.",
    source="Krizhevsky et al. 2012, section 3.4",
    published="0.4 points (top-1) and 0.3 points (top-5) on ImageNet; models with overlapping "
    "pooling find it slightly more difficult to overfit",
    lab_note="The run without overlap also changes the padding of conv2 and conv5, to keep the "
    "sizes of the maps.",
    about="The two networks differ in the windows alone: the maps have the same sizes, the weights "
    "the same shapes and initial values. Overfitting is the test error minus the error on the "
    "training images.",
    base=Trial(network="four-layers"),
    arms={"3x3, overlapping": Arm(), "2x2": Arm(options={"window": 2})},
    measures=("test_error", "train_error", "gap"),
    comparisons=(
        Comparison(better="3x3, overlapping", worse="2x2"),
        Comparison(better="3x3, overlapping", worse="2x2", measure="gap"),
    ),
    times=1.5,
)
