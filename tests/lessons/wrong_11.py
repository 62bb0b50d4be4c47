"""Wrong answers to the exercises of lesson 11, and the messages they must get."""

import math


def moves_by_the_old_velocity(w, v, g, lr, momentum, weight_decay):
    return w + v - lr * g, momentum * v - lr * (g + weight_decay * w)


def decays_without_the_rate(w, v, g, lr, momentum, weight_decay):
    v = momentum * v - lr * g - weight_decay * w
    return w + v, v


def goes_uphill(w, v, g, lr, momentum, weight_decay):
    v = momentum * v + lr * (g + weight_decay * w)
    return w + v, v


def puts_the_rate_outside(w, v, g, lr, momentum, weight_decay):
    v = momentum * v - (g + weight_decay * w)
    return w + lr * v, v


def puts_the_rate_inside(w, v, g, lr, momentum, weight_decay):
    v = momentum * v + lr * (g + weight_decay * w)
    return w - v, v


def damps_the_gradient(w, v, g, lr, momentum, weight_decay):
    v = momentum * v + (1 - momentum) * (g + weight_decay * w)
    return w - lr * v, v


def goes_on_for_ever(step, rates):
    return [step(rate) for rate in rates]


def keeps_the_broken_loss(step, rates):
    losses = []
    for rate in rates:
        losses.append(step(rate))
        if not losses[-1] <= 2 * min(losses):
            break
    return losses


def overlooks_nan(step, rates):
    losses = []
    for rate in rates:
        loss = step(rate)
        if losses and loss > 2 * min(losses):
            break
        losses.append(loss)
    return losses


def asks_twice(step, rates):
    losses = []
    for rate in rates:
        loss = step(rate)
        if not math.isfinite(loss) or (losses and loss > 2 * min(losses)):
            break
        losses.append(loss)
    step(rates[0])
    return losses


def forgets_the_decay(w, v, g, lr, momentum, weight_decay):
    v = momentum * v + g
    return w - lr * v, v


def decays_beside_the_velocity(w, v, g, lr, momentum, weight_decay):
    v = momentum * v + g
    return w - lr * (v + weight_decay * w), v


def stops(broken):
    def my_range_test(step, rates):
        losses = []
        for rate in rates:
            loss = step(rate)
            if broken(loss, losses):
                break
            losses.append(loss)
        return losses

    return my_range_test


WRONG = {
    "11.1": [
        (moves_by_the_old_velocity, "the *new* v"),
        (decays_without_the_rate, "v = -lr * decay * w"),
        (goes_uphill, "downhill"),
        (puts_the_rate_outside, "expected [0.95, -0.05]"),
    ],
    "11.2": [
        (puts_the_rate_inside, "v is a sum of gradients"),
        (damps_the_gradient, "expected [0.95, 0.5]"),
        (forgets_the_decay, "The decay is part of the gradient"),
        (decays_beside_the_velocity, "it goes into v as well"),
    ],
    "11.3": [
        (lambda lr, decay, step: lr * (1 - decay) ** step, "The divisor is 1 + 0.5 * 2 = 2"),
        (lambda lr, decay, step: lr * (1 - decay * step), "The divisor is 1 + 0.5 * 2 = 2"),
        (lambda lr, decay, step: lr - decay * lr, "the rate is still lr"),
        (lambda lr, decay, step: lr * 2 ** (-decay * step), "The divisor is 1 + 0.5 * 18 = 10"),
    ],
    "11.4": [
        (goes_on_for_ever, "4.5 is more than twice 2"),
        (keeps_the_broken_loss, "4.5 is more than twice 2"),
        (overlooks_nan, "not finite means divergence"),
        (
            stops(lambda a, b: math.isnan(a) or (b and a > 2 * min(b))),
            "Even the first loss may be infinite",
        ),
        (
            stops(lambda a, b: not math.isfinite(a) or (b and a >= 2 * min(b))),
            "4 is exactly twice 2",
        ),
        (stops(lambda a, b: b and not a <= 2 * min(b)), "Even the first loss may be infinite"),
        (asks_twice, "Every call of step moves the weights"),
    ],
}
