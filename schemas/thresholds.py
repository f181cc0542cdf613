"""From when on something is reported to operators: by the console, by `relay doctor` and by the alerts of
`deploy/prometheus/rules.yml`. All are in seconds."""

from __future__ import annotations

LATE = 60.0
"""Due work that has waited longer is late: workers do not keep up, or an endpoint or i'mport holds it back."""
VERY_LATE = 300.0
"""Due work that has waited so long is an alert of the highest level."""
FAR_BEHIND = 60.0
"""History is far behind when its oldest missing change has waited longer."""
REFUSED_RECENTLY = 86_400.0
"""A refused webhook is reported for so long."""
STALE_CANCELLATION = 7 * 86_400.0
"""A cancellation that has been open for longer needs an operator."""
