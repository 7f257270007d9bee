"""Which topics does a device have, and what is said on them? What the code and its reference page share."""

from __future__ import annotations

from dataclasses import dataclass

from edgetender.model.meaning import Code, Word


class DesiredCode(Code):
    """What became of the newest manifest: `lastDesiredStatus.code`. The numbers are HTTP's, as IoT Edge's are."""

    RUNNING = 200, "running, accepted"
    IN_PART = (
        206,
        "accepted without modules that were no good (`update.atomic: false`); `description` names them",
    )
    INVALID = 400, "not readable; `problems` names every fault with its path"
    FORBIDDEN = (
        403,
        "not allowed here, by its signatures or by the device's policy; `problems` says what and where",
    )
    APPLYING = 406, "taken, being applied"
    CONFLICT = 409, "a lower version than one taken before, or other content under the same version"
    ROLLED_BACK = 417, "taken and taken back; `description` says why"


class EventKind(Word):
    """What happened: an event's `type`, and the end of its topic."""

    MODULE_STATE = "module.state", "a module has another `state` than before (`from`), or another `version`"
    MODULE_RESTARTED = "module.restarted", "its container, of `version`, was started again; `restarts` in all"
    MODULE_ENDED = (
        "module.ended",
        "its container, of `version`, ended: `exitCode`, `reason`, the last lines of its `log`",
    )
    MODULE_REMOVED = "module.removed", "it is no part of the deployment any more"
    APPLYING = "deployment.applying", "a version was taken"
    APPLIED = "deployment.applied", "it runs, and is accepted"
    APPLIED_IN_PART = (
        "deployment.applied_in_part",
        "it is accepted without the modules that `description` names",
    )
    ROLLED_BACK = "deployment.rolled_back", "it was taken back; `description` says why"
    REFUSED = "deployment.refused", "it was not taken; `reasons` are the codes of its faults"
    HOLD_SET = (
        "hold.set",
        "an operator, or the agent in safe mode, wants no change: `module` (null: the device), `by`, `reason`, `until`",
    )
    HOLD_OVER = (
        "hold.over",
        "it ended: `module`, `by` whom (null: its time is over), `reason` (released, or what ended safe mode)",
    )
    DELAY_SET = "delay.set", "a module asks for time before its update: `module`, `by`, `reason`, `until`"
    DELAY_OVER = "delay.over", "it needs no more"
    ENGINE_DOWN = "engine.down", "it does not answer any more; `why`"
    ENGINE_BACK = "engine.back", "it answers again"
    CHECK_FAILED = (
        "check.failed",
        "a [check](checks.md) fails: `check`, what it `said`, the command for its `repair`",
    )
    CHECK_WARNED = "check.warned", "it warns"
    CHECK_PASSED = "check.passed", "it is well again"


def is_of(kind: str, prefix: str) -> bool:
    """Whether an event's type is *prefix* or begins with its words: `module.ended` is of `module`, all are of ``."""
    return not prefix or f"{kind}.".startswith(prefix.rstrip(".") + ".")


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic, below the device's own. *way* is down or up; *kept*: does the broker keep the newest message?"""

    name: str
    way: str
    kept: str
    meaning: str


DESIRED = Topic(
    "desired",
    "down",
    "by whoever publishes it",
    "the manifest, JSON, 256 KiB at most. Acknowledged to the broker once it is on disk",
)
STATUS = Topic(
    "status",
    "up",
    "yes",
    '`{"state":"online","session":…,"agent":…,"ts":…}`; `offline` with a `reason` when it leaves, or as its last will',
)
BIRTH = Topic(
    "birth",
    "up",
    "yes",
    "who this is: `agent`, `schemas` it reads, whether it has a `front`, its `hardware` in short; "
    "sent when one of these changes, and after each reconnect",
)
REPORTED = Topic(
    "reported",
    "up",
    "yes",
    "what runs, and what became of the newest manifest; sent when it changes, and after each reconnect",
)
DEVICE_TELEMETRY = Topic(
    "telemetry/device",
    "up",
    "no",
    "when a figure moved far, else every hour ([below](#when-a-sample-goes-up)): `cpuRatio`, `memoryAvailableBytes`, "
    "`diskFreeBytes`, `load1`, `agent`; `gpus` by UUID where NVIDIA cards are: `utilizationRatio`, "
    "`memoryUsedBytes`, `temperatureCelsius` …",
)
MODULE_TELEMETRY = Topic(
    "telemetry/modules",
    "up",
    "no",
    "likewise, by module: `cpuRatio`, `cpuSeconds`, `memoryBytes`, `receivedBytes`, `sentBytes`, `restarts`, "
    "and what its front counts",
)
MODULE_MESSAGE = Topic(
    "telemetry/<module>/<stream>",
    "up",
    "no",
    "what [a module sends](../how-to/send-messages.md): `at`, and the message as `data`",
)
EVENT = Topic("event/<type>", "up", "no", "one for each change, [below](#events)")
COMMAND = Topic(
    "cmd/<name>",
    "down",
    "never",
    'a [command](../how-to/azure-iot-hub.md#ask-a-device): `{"id", "reply_to", "expires_at", "arguments"}`, all '
    "optional. With MQTT 5 response topic, correlation data and message expiry say it, and the body is the arguments",
)
ANSWER = Topic("where it says", "up", "no", '`{"id", "status", "answer"}`; by convention below `rsp/`')

TOPICS = (
    DESIRED, STATUS, BIRTH, REPORTED, DEVICE_TELEMETRY, MODULE_TELEMETRY, MODULE_MESSAGE, EVENT, COMMAND, ANSWER,
)  # fmt: skip
