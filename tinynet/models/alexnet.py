"""AlexNet (Krizhevsky, Sutskever and Hinton 2012), as the paper's text has it.

The code that computed the paper's results, Caffe, torchvision and well-known posts mean other
networks by the same name: see `alexnet_variants`.
"""

from __future__ import annotations

from tinynet import nn
from tinynet.models.cross_layers import groups
from tinynet.models.initial_weights import Normal
from tinynet.models.split_accumulation import split_where_towers_meet
from tinynet.nn import init
from tinynet.tensors import Tensor

INITIAL_WEIGHTS = Normal(stds=(0.01,) * 8, bias=1.0)


class AlexNet(nn.Module):
    """The network of section 3.5: 60,965,224 parameters for 1000 classes.

    Parameters
    ----------
    classes : number of scores
    cross_at : "conv3" as in the paper, "conv4" or "nowhere": the convolution behind conv1 that sees
        all maps. The others have two groups, one for each GPU of 2012

    Attributes
    ----------
    features : Sequential, images (N, 3, 224, 224) to maps (N, 256, 6, 6)
    classifier : Sequential, maps to scores (N, classes)

    Examples
    --------
    >>> import tinynet as tn
    >>> with tn.nn.init.skip_init():
    ...     model = tn.models.AlexNet(classes=10)
    >>> model.classifier[-1].weight.shape
    (10, 4096)
    """

    def __init__(self, classes: int = 1000, *, cross_at: str = "conv3") -> None:
        conv3_groups = groups("conv3", cross_at)
        conv4_groups = groups("conv4", cross_at)
        with init.skip_init():  # INITIAL_WEIGHTS are drawn below
            self.features = nn.Sequential(
                # Three more rows and columns of zeros on the far sides make the 55x55 of the paper:
                # the code of 2012 rounded the number of windows up.
                nn.Conv2d(3, 96, 11, stride=4, padding=((0, 3), (0, 3))),  # (N, 96, 55, 55)
                nn.ReLU(),
                nn.LocalResponseNorm(n=5, k=2.0, alpha=1e-4, beta=0.75, groups=2),
                nn.MaxPool2d(3, stride=2),  # (N, 96, 27, 27)
                nn.Conv2d(96, 256, 5, padding=2, groups=2),  # (N, 256, 27, 27)
                nn.ReLU(),
                nn.LocalResponseNorm(n=5, k=2.0, alpha=1e-4, beta=0.75, groups=2),
                nn.MaxPool2d(3, stride=2),  # (N, 256, 13, 13)
                nn.Conv2d(256, 384, 3, padding=1, groups=conv3_groups),  # (N, 384, 13, 13)
                nn.ReLU(),
                nn.Conv2d(384, 384, 3, padding=1, groups=conv4_groups),  # (N, 384, 13, 13)
                nn.ReLU(),
                nn.Conv2d(384, 256, 3, padding=1, groups=2),  # (N, 256, 13, 13)
                nn.ReLU(),
                nn.MaxPool2d(3, stride=2),  # (N, 256, 6, 6)
            )
            self.classifier = nn.Sequential(
                nn.Flatten(),  # (N, 9216)
                nn.Linear(256 * 6 * 6, 4096),
                nn.ReLU(),
                nn.Dropout(0.5, inverted=False),
                nn.Linear(4096, 4096),
                nn.ReLU(),
                nn.Dropout(0.5, inverted=False),
                nn.Linear(4096, classes),
            )
        INITIAL_WEIGHTS.draw(self)
        split_where_towers_meet(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, classes) for images x (N, 3, side, side), before softmax."""
        return self.classifier(self.features(x))
