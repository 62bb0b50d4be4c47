"""Setting of the runs of a claim in words, from the results themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tinynet.claims.claim import BUDGETS, Claim
from tinynet.claims.outcome import label, upper
from tinynet.claims.results import Results
from tinynet.claims.trial import Trial
from tinynet.words import phrase

NAMES = {"cifar10": "CIFAR-10", "mnist": "MNIST", "shapes": "the drawn data set `shapes`"}
JPEG_COPY = "d8902164"  # fingerprint of a copy of CIFAR-10, training and test images
LONG = {  # words of the names in a trial
    "lr": "learning rate",
    "std": "deviation of the initial weights",
    "bias": "initial bias",
    "pad": "crops after a border of zeros, pixels",
    "crop": "crop, pixels",
    "horizontal_flip": "mirrors",
    "weight_decay": "weight decay",
    "batch_size": "images a step",
    "batch_norm": "batch normalization",
    "norm_first": "normalization before pooling",
    "color_noise": "color noise",
    "hidden_layers": "hidden layers",
    "rule": "rule of the momentum",
    "inverted_dropout": "inverted dropout",
    "hidden": "hidden",
}
OTHERS = {  # settings of some layers, told where they are not those of all layers
    "linear_weight_decay": "in linear layers {value:g}",
    "local_weight_decay": "in locally connected layers {value:g}",
    "bias_lr_scale": "biases with {value:g} times the rate",
}
FLIPS = {(3,): "left and right", (2,): "top and bottom", (2, 3): "both at once"}
DEFAULT = Trial(network="", settings={"epochs": 0})


def flat(trial: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a stored trial in one level, without its data set."""
    others = {k: v for k, v in trial.items() if k not in ("options", "settings")}
    settings = {k: v for k, v in trial["settings"].items() if k != "data"}
    return {**others, **settings, **trial["options"]}


def rate(results: Results, arm: str) -> str:
    """Return the learning rate of an arm, or "–"."""
    if arm not in results.settings:
        return "–"
    return f"{results.settings[arm]['settings'].get('lr', DEFAULT.recipe(0).lr):g}"


def changes(claim: Claim, results: Results, arm: str) -> str:
    """Return what an arm has that not all arms have, or "–".

    Examples
    --------
    >>> from tinynet.claims import catalog, setting
    >>> from tinynet.claims.claim import BUDGETS
    >>> from tinynet.claims.results import Results, as_json
    >>> claim = catalog.find("overlap")
    >>> trials = claim.trials(BUDGETS["quick"], "cifar10")
    >>> found = Results("overlap", "cifar10", "quick",
    ...                 settings={arm: as_json(trial) for arm, trial in trials.items()})
    >>> setting.changes(claim, found, "3x3, overlapping"), setting.changes(claim, found, "2x2")
    ('–', 'window 2')
    """
    if arm not in results.settings:
        return "–"
    every = [flat(results.settings[each]) for each in claim.arms if each in results.settings]
    mine = flat(results.settings[arm])
    skipped = {"lr"} if claim.rates else set()
    found = [
        _named(name, value)
        for name, value in mine.items()
        if name not in skipped and any(other.get(name, MISSING) != value for other in every)
    ]
    return ", ".join(filter(None, found)) or "–"


MISSING = object()


def _named(name: str, value: Any) -> str:
    if value is None or value == []:
        return ""
    if name == "flips":
        axes = ", ".join(phrase(FLIPS[tuple(each)]) for each in value)
        return phrase("exchanged at random: {axes}", axes=axes)
    name = phrase(LONG.get(name, name.replace("_", " ")))
    if isinstance(value, bool):
        return name if value else phrase("no {name}", name=name)
    return f"{name} {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_value, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def in_words(claim: Claim, results: Results) -> list[str]:
    """Return sentences about the network, the images, the training and the seeds."""
    there = [arm for arm in claim.arms if arm in results.settings]
    if not there:
        return []
    trials = [results.settings[arm] for arm in there]
    common = _common(trials)
    options = {k: v for k, v in trials[0]["options"].items() if common.get(k) == v}
    named = ", ".join(filter(None, (_named(k, v) for k, v in options.items())))
    network = f"`{trials[0]['network']}`{f' ({named})' if named else ''}"
    data = phrase(NAMES.get(results.data, results.data))
    said = "Network {network}, on {data}: {images}."
    return [
        phrase(said, network=network, data=data, images=_images(trials[0])),
        _training(common, one_rate=len({rate(results, arm) for arm in there}) == 1),
        *_rates(claim, results),
        _seeds(claim, results),
    ]


def _common(trials: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the fields that all trials have with the same value."""
    every = [flat(trial) for trial in trials]
    return {k: v for k, v in every[0].items() if all(e.get(k, MISSING) == v for e in every)}


def _images(trial: dict[str, Any]) -> str:
    count = trial["images"]
    if count is None:
        which = phrase("all training images")
    else:
        which = phrase("the first {count:,} training images", count=count)
    share = trial["settings"].get("validation", 0.0)
    if share:
        said = "{which} of those that are left when {share:g} % are held out for validation"
        which = phrase(said, which=which, share=100 * share)
    said = "{which}, and all test images, which are looked at once, after the training"
    return phrase(said, which=which)


def _training(common: dict[str, Any], *, one_rate: bool) -> str:
    recipe = DEFAULT.recipe(0)

    def of(name: str) -> Any:
        return common.get(name, getattr(recipe, name))

    parts = []
    until = common.get("until_error")
    if "epochs" in common:
        count = common["epochs"]
        length = phrase("{count} epoch" if count == 1 else "{count} epochs", count=count)
        parts.append(length if until is None else phrase("at most {length}", length=length))
    parts.append(phrase("batches of {size}", size=of("batch_size")))
    if of("optimizer") == "adam":
        parts.append("Adam")
    else:
        parts.append(phrase("SGD with momentum {momentum:g}", momentum=of("momentum")))
    parts += [phrase("learning rate {rate:g}", rate=of("lr"))] if one_rate else []
    parts.append(_schedule(of("schedule")))
    parts.append(phrase("weight decay {decay:g}", decay=of("weight_decay")))
    for name, said in OTHERS.items():
        if of(name) != getattr(recipe, name):
            parts.append(phrase(said, value=of(name)))
    if common.get("crop"):
        parts.append(phrase("random crops of {pixels} pixels", pixels=common["crop"]))
    parts += [phrase("mirror images")] if common.get("horizontal_flip") is True else []
    if until:
        said = "until at most {share:g} % of the last images are wrong"
        parts.append(phrase(said, share=100 * until))
    return upper(f"{', '.join(parts)}.")


def _schedule(schedule: Any) -> str:
    if isinstance(schedule, str):
        return phrase("schedule {name}", name=schedule)
    if not schedule:
        return phrase("a constant rate")
    said = "times {factor:g} from {share:.3g} % of the run on"
    drops = [phrase(said, factor=factor, share=100 * share) for share, factor in schedule]
    return phrase("the rate {drops}", drops=phrase(" and ").join(drops))


def _rates(claim: Claim, results: Results) -> list[str]:
    if not claim.rates:
        return []
    rates = ", ".join(f"{rate:g}" for rate in claim.rates)
    said = (
        "Each arm has the best of the same learning rates ({rates}), judged by the {measure} with "
        "seed 0."
    )
    return [phrase(said, rates=rates, measure=label(claim.chosen_by, phrase))]


def _seeds(claim: Claim, results: Results) -> str:
    found = sorted({run["seed"] for arm in claim.arms for run in results.runs.get(arm, [])})
    if len(found) < 2:
        return phrase("Seed {seed} alone.", seed=found[0]) if found else phrase("No run has ended.")
    which = ", ".join(map(str, found))
    if found == list(range(len(found))):
        which = phrase("{first} to {last}", first=found[0], last=found[-1])
    if len(claim.arms) == 1:
        return phrase("Seeds {which}.", which=which)
    said = (
        "Seeds {which}: two arms with one seed start with the same random numbers and see the "
        "images in the same order."
    )
    return phrase(said, which=which)


def copied(results: Results) -> str:
    """Return a sentence where the images are known to be a copy, else ""."""
    if results.data == "cifar10" and results.where.get("data") == JPEG_COPY:
        said = (
            "The images are a copy of CIFAR-10 that had been compressed as JPEG, to a tenth of its "
            "bytes; the original images may give other errors."
        )
        return phrase(said)
    return ""


def provenance(claim: Claim, results: Results) -> str:
    """Return where and when the results were computed, in sentences."""
    where = results.where
    found = {str(run): run for runs in results.runs.values() for run in runs}  # each once
    hours = sum(run.get("seconds", 0.0) for run in found.values()) / 3600
    elsewhere = [run["where"] for run in found.values() if "where" in run]
    places = dict.fromkeys(map(_place, elsewhere))
    parts = [phrase("Measured {place}.", place=_place(where))]
    for place in places:
        said = "Before that, {count}: {place}."
        parts.append(phrase(said, count=_count(elsewhere, place), place=place))
    if hours >= 0.1:
        several = "{count} runs, {hours:.1f} hours of computation in all."
        said = several if len(found) > 1 else "One run, {hours:.1f} hours of computation."
        parts.append(phrase(said, count=len(found), hours=hours))
    if "data" in where:
        parts.append(phrase("Fingerprint of the images: {digits}.", digits=where["data"]))
    return " ".join(filter(None, [*parts, copied(results)]))


def _count(elsewhere: Sequence[Mapping[str, str]], place: str) -> str:
    count = sum(_place(where) == place for where in elsewhere)
    return phrase("one run" if count == 1 else "{count} runs", count=count)


def _place(where: Mapping[str, str]) -> str:
    """Return when, with which code, on which processor and with which versions."""
    names = ("tinynet", "python", "numpy")
    versions = ", ".join(f"{name} {where[name]}" for name in names if name in where)
    said = "{date} with commit {commit} on {device}; {versions}"
    return phrase(
        said,
        date=where.get("date") or phrase("at an unknown date"),
        commit=where.get("commit") or phrase("unknown"),
        device=where.get("device") or phrase("an unknown device"),
        versions=versions,
    )


def command(claim: Claim, results: Results) -> str:
    """Return the command that repeats the runs."""
    parts = ["tinynet claims run", claim.name]
    parts += [f"--data {results.data}"] if results.data != claim.data[0] else []
    parts += [f"--budget {results.budget}"] if results.budget != "quick" else []
    count = max((len(results.runs.get(arm, [])) for arm in claim.arms), default=0)
    if count and count != claim.seeds(BUDGETS[results.budget]):
        parts.append(f"--seeds {count}")
    return " ".join(parts)
