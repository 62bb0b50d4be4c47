"""Flips of digits: an augmentation that is wrong for the data."""

from tinynet.claims.claim import Arm, Claim, Comparison
from tinynet.claims.trial import Trial

WAYS: dict[str, tuple[tuple[int, ...], ...]] = {  # axes that are flipped together
    "nothing": (),
    "mirrors": ((3,),),
    "upside down": ((2,),),
    "half turns": ((2, 3),),
    "mirrors and upside down": ((3,), (2,)),
}

FLIPS = Claim(
    name="flips",
    title="Turned digits: a 6 becomes a 9",
    statement="Half turns of the training images raise the error on digits, and a 6 is taken for a "
    "9 more often.",
    source="The paper mirrors photographs (section 4.1); for digits it does not hold",
    published="none",
    about="MNIST; the test images are not turned. Each flip is applied to each training image with "
    "probability one half.",
    base=Trial(network="four-layers", extra=("confusions",)),
    arms={name: Arm(other={"flips": axes}) for name, axes in WAYS.items()},
    measures=("test_error", "6_called_9", "9_called_6", "2_called_5", "5_called_2"),
    comparisons=(
        Comparison(better="nothing", worse="half turns"),
        Comparison(better="nothing", worse="half turns", measure="6_called_9"),
        Comparison(better="nothing", worse="mirrors"),
        Comparison(better="nothing", worse="mirrors", measure="2_called_5"),
        Comparison(better="nothing", worse="upside down"),
        Comparison(better="nothing", worse="mirrors and upside down"),
    ),
    data=("mnist",),
    classes=True,
    times=0.5,
)
