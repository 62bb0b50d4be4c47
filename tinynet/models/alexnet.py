"""AlexNet as the paper describes it, on one device, and the small one for 32x32 images."""

from __future__ import annotations

from tinynet import nn
from tinynet.nn import init
from tinynet.tensor import Tensor


class AlexNet(nn.Module):
    """The network of Krizhevsky et al. 2012, section 3.5: 60,965,224 parameters for 1000 classes.

    x is (N, 3, 224, 224); conv1 sees three more rows and columns of zeros on the far sides, which
    is how the code of 2012 came from 224 to 55. The two GPUs are `groups=2`: conv2, conv4, conv5
    and the normalization see their own half of the channels, conv3 and the rest see all.
    """

    def __init__(self, classes: int = 1000) -> None:
        self.features = nn.Sequential(
            nn.Conv2d(3, 96, 11, stride=4, padding=((0, 3), (0, 3))),  # (N, 96, 55, 55)
            nn.ReLU(),
            nn.LocalResponseNorm(groups=2),
            nn.MaxPool2d(3, stride=2),  # (N, 96, 27, 27)
            nn.Conv2d(96, 256, 5, padding=2, groups=2),
            nn.ReLU(),
            nn.LocalResponseNorm(groups=2),
            nn.MaxPool2d(3, stride=2),  # (N, 256, 13, 13)
            nn.Conv2d(256, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 384, 3, padding=1, groups=2),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1, groups=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),  # (N, 256, 6, 6)
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, classes),
        )
        self.initialize()

    def initialize(self) -> None:
        """Set weights to N(0, 0.01**2), biases to 1 in conv2, conv4, conv5, fc6, fc7, else to 0.

        Section 5 of the paper.
        """
        ones = {f"features.{i}.bias" for i in (4, 10, 12)} | {
            f"classifier.{i}.bias" for i in (1, 4)
        }
        for name, p in self.named_parameters():
            if name.endswith("weight"):
                init.set_normal(p, 0.01)
            else:
                init.set_constant(p, float(name in ones))

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, classes) for images x (N, 3, 224, 224), before softmax."""
        return self.classifier(self.features(x))


def small_alexnet(classes: int = 10) -> nn.Sequential:
    """Return AlexNet's plan at the size of 32x32 images: (N, 3, 32, 32) to (N, classes).

    Five convolutions, two of them and conv2 in two groups, LRN after the first two, overlapping
    pooling that rounds up (32, 16, 8, 4), two hidden layers with dropout. The weights start as
    N(0, 2 / fan_in), those of the last layer as N(0, 0.01**2): the first loss is near ln(classes).
    """
    scores = nn.Linear(512, classes)
    init.set_normal(scores.weight, 0.01)
    return nn.Sequential(
        nn.Conv2d(3, 64, 5, padding=2),  # (N, 64, 32, 32)
        nn.ReLU(),
        nn.LocalResponseNorm(),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 64, 16, 16)
        nn.Conv2d(64, 128, 5, padding=2, groups=2),
        nn.ReLU(),
        nn.LocalResponseNorm(groups=2),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 128, 8, 8)
        nn.Conv2d(128, 192, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(192, 192, 3, padding=1, groups=2),
        nn.ReLU(),
        nn.Conv2d(192, 128, 3, padding=1, groups=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 128, 4, 4)
        nn.Flatten(),
        nn.Linear(128 * 4 * 4, 512),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(512, 512),
        nn.ReLU(),
        nn.Dropout(0.5),
        scores,
    )
