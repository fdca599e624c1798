"""The default strategy of each deployment profile, by the rules of ``recipes/profiles.toml`` and by nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, get_args

from pipeline.model.counts import sized
from pipeline.model.strategies import Decision, Option
from pipeline.model.strategy_runs import Strategy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.model.profiles import Criterion, DeploymentProfile
    from pipeline.model.strategies import Forecast
    from pipeline.model.strategy_runs import Measurement

STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
_WORDS: dict[Criterion, str] = {
    "seconds": "time to the first token",
    "transfer_bytes": "bytes to transfer",
    "product_bytes": "bytes in the product",
    "disk_bytes": "bytes on the disk",
}


class Known(NamedTuple):
    """What one strategy for one target costs over one link, measured or forecast, the model left out.

    A forecast knows of no model: its ``model_seconds`` and ``model_bytes`` are 0.
    """

    strategy: Strategy
    target: str
    link: str | None
    seconds: float
    model_seconds: float
    model_bytes: int
    transfer_bytes: int
    product_bytes: int
    disk_bytes: int
    forecast: bool

    def with_model(self) -> Known:
        """Return the costs with a model that comes the same way as the engine."""
        size = self.model_bytes
        return self._replace(
            seconds=self.seconds + self.model_seconds,
            transfer_bytes=self.transfer_bytes + (0 if self.strategy == "bundled" else size),
            product_bytes=self.product_bytes + (size if self.strategy == "bundled" else 0),
            disk_bytes=self.disk_bytes + size,
        )


def known(measurements: Iterable[Measurement], forecasts: Iterable[Forecast]) -> tuple[Known, ...]:
    """Return the costs of everything that was measured or forecast."""
    found = []
    for m in measurements:
        without = m.without_model.median
        travels = 0 if m.strategy == "bundled" else m.download_bytes
        sizes = (m.model_bytes, travels, m.product_bytes, m.disk_bytes)
        found.append(Known(m.strategy, m.target, m.link, without, m.total.median - without, *sizes, forecast=False))
    for f in forecasts:
        if f.seconds is None:
            continue
        travels = 0 if f.strategy == "bundled" else f.download_bytes
        sizes = (0, travels, f.product_bytes, f.disk_bytes)
        found.append(Known(f.strategy, f.target, f.link, f.seconds, 0.0, *sizes, forecast=True))
    return tuple(found)


def decide(profiles: Iterable[DeploymentProfile], costs: Sequence[Known]) -> tuple[Decision, ...]:
    """Return the decision of every profile for every target that anything is known of, in their order."""
    targets = list(dict.fromkeys(cost.target for cost in costs))
    return tuple(_decide(profile, target, costs) for profile in profiles for target in targets)


def _decide(profile: DeploymentProfile, target: str, costs: Sequence[Known]) -> Decision:
    options = tuple(_option(profile, target, strategy, costs) for strategy in STRATEGIES)
    left = [option for option in options if not option.refused and option.seconds is not None]
    apart = [option for option in left if option.forecast] if profile.model_counts else []
    if len(apart) < len(left):
        left = [option for option in left if option not in apart]  # with the model and without are not compared
    unknown = [option for option in options if not option.refused and option.seconds is None]
    only = "no other one was measured or forecast" if unknown or apart else "the rules leave no other one"
    chosen, why = _choose(profile, left, only=only) if left else (None, "no strategy is left")
    why += "".join(f"; {o.strategy}: {o.refused}" for o in options if o.refused and o.seconds is not None)
    if unknown:
        why += f"; not measured: {', '.join(map(_over, unknown))}"
    if apart == left and apart:
        why += "; the model counts, and these forecasts are without it"
    elif apart:
        why += f"; not compared, for forecasts are without the model, which counts: {', '.join(map(_over, apart))}"
    return Decision(
        profile=profile.name,
        title=profile.title,
        target=target,
        chosen=None if chosen is None else chosen.strategy,
        why=why,
        options=options,
    )


def _over(option: Option) -> str:
    return f"{option.strategy}{f' over {option.link}' if option.link else ''}"


def _option(profile: DeploymentProfile, target: str, strategy: Strategy, costs: Sequence[Known]) -> Option:
    refused = _refusal(profile, strategy)
    if refused:
        return Option(strategy=strategy, refused=refused)
    link = _link_of(profile, strategy)
    found = [c for c in costs if c.target == target and c.strategy == strategy]
    # A build brings its sources over the profile's link, or from where the configuration says.
    found = [c for c in found if c.link == link] or [c for c in found if c.link is None and _builds(strategy)]
    if not found:
        return Option(strategy=strategy, link=link)
    cost = found[0].with_model() if profile.model_counts else found[0]
    return Option(
        strategy=strategy,
        link=cost.link,
        refused=_too_much(profile, cost),
        seconds=round(cost.seconds, 3),
        transfer_bytes=cost.transfer_bytes,
        product_bytes=cost.product_bytes,
        disk_bytes=cost.disk_bytes,
        forecast=cost.forecast,
    )


def _too_much(profile: DeploymentProfile, cost: Known) -> str:
    most_product, most_disk = profile.most_product_bytes, profile.most_disk_bytes
    if most_product is not None and cost.product_bytes > most_product:
        return f"the product would grow by {sized(cost.product_bytes)}, and may by {sized(most_product)}"
    if most_disk is not None and cost.disk_bytes > most_disk:
        return f"{sized(cost.disk_bytes)} on the disk, and there is room for {sized(most_disk)}"
    return ""


def _builds(strategy: Strategy) -> bool:
    return strategy in {"self-built", "self-built-warm"}


def _refusal(profile: DeploymentProfile, strategy: Strategy) -> str:
    """Return by which rule a strategy is out, an empty text when it is not."""
    public, warm = profile.network == "public", profile.keeps_compiler_cache
    rules: tuple[tuple[bool, str], ...] = (
        (strategy == "on-demand" and not public, "the publisher's server is not reached (network)"),
        (strategy == "bundled" and not profile.carries, "there is no product that could carry it (carries)"),
        (strategy == "mirror" and profile.near_link is None, "there is no host nearby with a mirror (near_link)"),
        (_builds(strategy) and not profile.compiler, "there is no compiler (compiler)"),
        (_builds(strategy) and not public, "the sources are not reached (network)"),
        (strategy == "self-built-warm" and not warm, "no compiler cache is kept (keeps_compiler_cache)"),
        (strategy == "self-built" and warm, "a kept compiler cache makes builds warm (keeps_compiler_cache)"),
    )
    return next((text for applies, text in rules if applies), "")


def _link_of(profile: DeploymentProfile, strategy: Strategy) -> str | None:
    match strategy:
        case "bundled":
            return None
        case "mirror":
            return profile.near_link
        case _:
            return profile.link


def _choose(profile: DeploymentProfile, left: Sequence[Option], *, only: str) -> tuple[Option, str]:
    """Narrow by one criterion after the other; of those that are left the best in the first one wins."""
    reasons = []
    for criterion in profile.minimise:
        if len(left) == 1:
            break
        best = min(_cost(option, criterion) for option in left)
        kept = [option for option in left if _cost(option, criterion) <= best * profile.within]
        if len(kept) < len(left):
            out = [option for option in left if option not in kept]
            reasons.append(_comparison(kept, out, criterion))
        left = kept
    chosen = min(left, key=lambda option: [_cost(option, criterion) for criterion in profile.minimise])
    if len(left) > 1:
        others = ", ".join(option.strategy for option in left if option is not chosen)
        reasons.append(f"as good as {others} in all that counts (within {profile.within:g}), the best by order")
    return chosen, "; ".join(reasons) or only


def _cost(option: Option, criterion: Criterion) -> float:
    value = getattr(option, criterion)
    return float("inf") if value is None else float(value)


def _comparison(kept: Sequence[Option], out: Sequence[Option], criterion: Criterion) -> str:
    best = min(kept, key=lambda option: _cost(option, criterion))
    worse = ", ".join(f"{option.strategy} {_shown(option, criterion)}" for option in out)
    return f"{_WORDS[criterion]}: {_shown(best, criterion)} against {worse}"


def _shown(option: Option, criterion: Criterion) -> str:
    value = _cost(option, criterion)
    return f"{value:.1f} s" if criterion == "seconds" else sized(int(value))
