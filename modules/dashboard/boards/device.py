"""What is shown of one device, by its agent."""

from __future__ import annotations

from boards.panel import ON, Panel

DEVICE = (
    Panel(
        "Health",
        "short",
        ((f"edgetender_health{{{ON}}} == 1", "{{state}}"),),
        "stat",
        "The word that describes the device now.",
    ),
    Panel(
        "Version desired and accepted",
        "none",
        (
            (f"edgetender_desired_version{{{ON}}}", "desired"),
            (f"edgetender_accepted_version{{{ON}}}", "accepted"),
        ),
        "stat",
    ),
    Panel(
        "Upstream and engine",
        "bool_on_off",
        (
            (f"edgetender_upstream_connected{{{ON}}}", "upstream"),
            (f"edgetender_engine_up{{{ON}}}", "engine"),
        ),
        "stat",
    ),
    Panel(
        "Modules by state",
        "short",
        ((f"edgetender_module_state{{{ON}}} == 1", "{{module}} {{state}}"),),
        "table",
    ),
    Panel(
        "Variants that run",
        "short",
        ((f"edgetender_module_variant{{{ON}}}", "{{module}}: {{variant}}"),),
        "table",
    ),
    Panel(
        "Checks that do not pass",
        "short",
        ((f"edgetender_check_status{{{ON}}}", "{{check}}"),),
        "table",
        "0 well, 1 a warning, 2 an error; edgetender check names what repairs it.",
    ),
    Panel(
        "Manifests refused",
        "short",
        ((f"increase(edgetender_manifests_refused_total{{{ON}}}[$__range])", "{{reason}}"),),
        "table",
        "By the code of each reason; signature.… and …equivocation are alarms.",
    ),
    Panel(
        "CPU by module",
        "percentunit",
        ((f"rate(edgetender_container_cpu_seconds_total{{{ON}}}[$__rate_interval])", "{{module}}"),),
        says="Of one core.",
    ),
    Panel("Memory by module", "bytes", ((f"edgetender_container_memory_bytes{{{ON}}}", "{{module}}"),)),
    Panel(
        "Restarts",
        "short",
        ((f"increase(edgetender_module_restarts_total{{{ON}}}[1h])", "{{module}}"),),
        says="In the last hour.",
    ),
    Panel(
        "Network by module",
        "Bps",
        (
            (f"rate(edgetender_container_received_bytes_total{{{ON}}}[$__rate_interval])", "{{module}} in"),
            (f"rate(edgetender_container_sent_bytes_total{{{ON}}}[$__rate_interval])", "{{module}} out"),
        ),
    ),
    Panel(
        "Requests by module",
        "reqps",
        (
            (f"rate(edgetender_module_requests_total{{{ON}}}[$__rate_interval])", "{{module}}"),
            (f"rate(edgetender_module_request_errors_total{{{ON}}}[$__rate_interval])", "{{module}} failed"),
        ),
        says="Counted where a front holds the module's port.",
    ),
    Panel(
        "Answers by module",
        "s",
        (
            (f"edgetender_module_response_seconds{{{ON}}}", "{{module}}"),
            (f"edgetender_module_response_tail_seconds{{{ON}}}", "{{module}}, 95 % begin within"),
        ),
        says="Mean time of the newest answers, and within what 95 % began, where a front holds the module's port.",
    ),
    Panel("Device CPU", "percentunit", ((f"edgetender_device_cpu_ratio{{{ON}}}", "of all cores"),)),
    Panel(
        "Device memory",
        "bytes",
        (
            (f"edgetender_device_memory_available_bytes{{{ON}}}", "available"),
            (f"edgetender_device_memory_total_bytes{{{ON}}}", "total"),
        ),
    ),
    Panel(
        "Disk",
        "bytes",
        (
            (f"edgetender_device_disk_free_bytes{{{ON}}}", "free"),
            (f"edgetender_device_disk_total_bytes{{{ON}}}", "total"),
        ),
    ),
    Panel(
        "GPU",
        "percentunit",
        ((f"edgetender_gpu_utilization_ratio{{{ON}}}", "{{gpu}}"),),
        says="Part of the time in which an NVIDIA card worked; empty where there is none.",
    ),
    Panel(
        "GPU memory",
        "bytes",
        (
            (f"edgetender_gpu_memory_used_bytes{{{ON}}}", "{{gpu}} used"),
            (f"edgetender_gpu_memory_total_bytes{{{ON}}}", "{{gpu}} total"),
        ),
        says="Empty where there is no NVIDIA card.",
    ),
    Panel(
        "GPU temperature",
        "celsius",
        ((f"edgetender_gpu_temperature_celsius{{{ON}}}", "{{gpu}}"),),
        says="Empty where there is no NVIDIA card.",
    ),
    Panel("Temperature", "celsius", ((f"edgetender_device_temperature_celsius{{{ON}}}", "{{sensor}}"),)),
    Panel(
        "Outbox",
        "short",
        ((f"edgetender_outbox_messages{{{ON}}}", "{{stream}}"),),
        says="Messages that wait to go up.",
    ),
    Panel("Oldest message", "s", ((f"edgetender_outbox_oldest_age_seconds{{{ON}}}", "{{stream}}"),)),
    Panel(
        "Telemetry",
        "cps",
        (
            (f"rate(edgetender_outbox_accepted_total{{{ON}}}[$__rate_interval])", "{{stream}} accepted"),
            (f"rate(edgetender_outbox_delivered_total{{{ON}}}[$__rate_interval])", "{{stream}} delivered"),
        ),
    ),
    Panel(
        "Dropped",
        "short",
        ((f"increase(edgetender_outbox_dropped_total{{{ON}}}[1h])", "{{stream}}: {{reason}}"),),
        says="In the last hour.",
    ),
    Panel("Agent", "bytes", ((f'process_resident_memory_bytes{{{ON},job="edgetender"}}', "memory"),)),
    Panel("Cycles", "cps", ((f"rate(edgetender_cycles_total{{{ON}}}[$__rate_interval])", "cycles"),)),
    Panel("Up since", "s", ((f"edgetender_uptime_seconds{{{ON}}}", "uptime"),), "stat"),
)
