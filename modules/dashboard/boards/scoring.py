"""What is shown of scoring servers, by themselves."""

from __future__ import annotations

from boards.panel import ON, Panel

_SECONDS = "edgetender_scoring_duration_seconds_bucket"

SCORING = (
    Panel(
        "Requests",
        "reqps",
        (
            (
                f"sum by (instance, code) (rate(edgetender_scoring_requests_total{{{ON}}}[$__rate_interval]))",
                "{{instance}} {{code}}",
            ),
        ),
    ),
    Panel(
        "Answers: 95 of 100 within",
        "s",
        (
            (
                f"histogram_quantile(0.95, sum by (instance, le) (rate({_SECONDS}{{{ON}}}[$__rate_interval])))",
                "{{instance}}",
            ),
        ),
    ),
    Panel(
        "In flight and queued",
        "short",
        (
            (f"edgetender_scoring_in_flight{{{ON}}}", "{{instance}} in flight"),
            (f"edgetender_scoring_queued{{{ON}}}", "{{instance}} queued"),
        ),
    ),
    Panel(
        "Drift by feature",
        "none",
        ((f"edgetender_scoring_feature_psi{{{ON}}}", "{{instance}} {{feature}}"),),
        says="PSI against the packaged baseline: below 0.1 nothing moved, above 0.25 something did. Empty without one.",
    ),
    Panel(
        "Mean by feature",
        "none",
        ((f"edgetender_scoring_feature_mean{{{ON}}}", "{{instance}} {{feature}}"),),
        says="Of the last hour.",
    ),
    Panel(
        "Deviation by feature",
        "none",
        ((f"edgetender_scoring_feature_stddev{{{ON}}}", "{{instance}} {{feature}}"),),
        says="Of the last hour.",
    ),
)
