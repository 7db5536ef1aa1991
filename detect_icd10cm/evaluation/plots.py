"""The report's plots, as SVG that takes its ink from the page."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

from detect_icd10cm.errors import DetectError
from detect_icd10cm.metrics.calibration import Calibration
from detect_icd10cm.metrics.spans import PRF

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Stands for the page's text colour, which is another one in the dark.
_INK = "#010203"
_ACCENT = "#3b7dd8"
_WARM = "#d9822b"
_INCHES = (4.6, 3.4)


def plot_reliability(calibration: Calibration) -> str:
    """Draw precision by score, with the diagonal of perfect calibration."""
    figure, axes = _figure("score", "precision")
    axes.plot([0, 1], [0, 1], color=_INK, linewidth=0.8, linestyle=":")
    bins = calibration.bins
    largest = max((b.n for b in bins), default=1)
    axes.scatter(
        [b.mean_score for b in bins],
        [b.precision for b in bins],
        [20 + 180 * b.n / largest for b in bins],
        color=_ACCENT,
    )
    axes.plot([b.mean_score for b in bins], [b.precision for b in bins], color=_ACCENT, linewidth=1)
    axes.set_xlim(0, 1.03)
    axes.set_ylim(0, 1.03)
    return _svg(figure, "reliability")


def plot_risk(calibration: Calibration) -> str:
    """Draw the share of wrong codes among the accepted by the share accepted."""
    figure, axes = _figure("share of codes accepted", "share of them wrong")
    axes.plot(calibration.coverage, calibration.risk, color=_WARM, linewidth=1.6, drawstyle="steps-post")
    for target in calibration.codes:
        axes.axhline(1 - target.target, color=_INK, linewidth=0.8, linestyle=":")
    axes.set_xlim(0, 1.03)
    axes.set_ylim(0, max((*calibration.risk, 0.1)) * 1.05)
    return _svg(figure, "risk")


def plot_chapters(chapters: Mapping[str, PRF]) -> str:
    """Draw F1 by chapter, the bar's label telling the number of gold codes."""
    shown = {name: counts for name, counts in chapters.items() if counts.n_gold}
    figure, axes = _figure("F1", "chapter", height=max(2.0, 0.24 * len(shown) + 0.9))
    axes.barh(range(len(shown)), [counts.f1 for counts in shown.values()], color=_ACCENT)
    axes.set_yticks(range(len(shown)), [f"{name} ({counts.n_gold})" for name, counts in shown.items()])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    return _svg(figure, "chapters")


def _figure(x: str, y: str, height: float = _INCHES[1]) -> tuple[Figure, Axes]:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise DetectError(
            "the HTML report draws with matplotlib, which is not installed; "
            "install it with: pip install 'detect-icd10cm[evaluate]'"
        ) from None
    figure = Figure(figsize=(_INCHES[0], height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x, color=_INK)
    axes.set_ylabel(y, color=_INK)
    axes.tick_params(colors=_INK)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(_INK)
    axes.set_facecolor("none")
    return figure, axes


def _svg(figure: Figure, name: str) -> str:
    import matplotlib as mpl

    buffer = io.StringIO()
    # Text stays text; the salt makes ids that differ between plots and not between runs.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawn = buffer.getvalue()
    return drawn[drawn.index("<svg") :].replace(_INK, "currentColor")
