"""A chart as SVG: horizontal bars, readable on light and dark pages."""

from __future__ import annotations

from html import escape

from bench.figures import Chart

WIDTH, LABELS, VALUES = 760, 210, 90
"""The chart's width in pixels, and of it the labels left of the bars and the values right of them."""
TOP, ROW, BAR = 44, 34, 20
COLOURS = ("#2f6fdb", "#d9822b", "#8a63d2", "#2f9e6e")
"""Of parts, in their order; distinct on white and on black, also for who cannot tell red from green."""
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600}.paper{fill:#ffffff}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.paper{fill:#0d1117}}"
)


def svg(chart: Chart) -> str:
    """The chart's picture. Its title says what is drawn to those who do not see it."""
    parts = list(dict.fromkeys(part for _, values in chart.bars for part in values))
    longest = max(sum(values.values()) for _, values in chart.bars) or 1.0
    scale = (WIDTH - LABELS - VALUES) / longest
    height = TOP + ROW * (len(chart.bars) + (len(parts) > 1)) + 8
    title = f"{chart.title} ({'more' if chart.more else 'less'} is better)"
    described = "; ".join(f"{label}: {_shown(sum(values.values()))} {chart.unit}" for label, values in chart.bars)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><desc>{escape(described)}</desc><style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}" rx="6"/>',
        f'<text class="title" x="12" y="26">{escape(title)}</text>',
    ]
    for number, (label, values) in enumerate(chart.bars):
        y, x = TOP + ROW * number, float(LABELS)
        lines.append(f'<text x="{LABELS - 10}" y="{y + 15}" text-anchor="end">{escape(label)}</text>')
        for part, value in values.items():
            width = value * scale
            colour = COLOURS[parts.index(part) % len(COLOURS)]
            lines.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>')
            x += width
        lines.append(f'<text x="{x + 8:.1f}" y="{y + 15}">{_shown(sum(values.values()))} {escape(chart.unit)}</text>')
    if len(parts) > 1:
        lines += _legend(parts, TOP + ROW * len(chart.bars))
    return "\n".join((*lines, "</svg>", ""))


def _legend(parts: list[str], y: int) -> list[str]:
    lines = []
    for number, part in enumerate(parts):
        x = LABELS + 110 * number
        lines.append(f'<rect x="{x}" y="{y + 2}" width="14" height="14" fill="{COLOURS[number % len(COLOURS)]}"/>')
        lines.append(f'<text x="{x + 20}" y="{y + 14}">{escape(part)}</text>')
    return lines


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
