"""Why does a module run as what it runs? Every variant and predicate with what was found and would change it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from edgetender.clock import rfc3339
from edgetender.codec import canonical, sha256_hex
from edgetender.decide.checked import Checked, Truth
from edgetender.decide.look import look_at
from edgetender.decide.variants import Judged, Known, judged
from edgetender.errors import NotFound
from edgetender.model.compat import with_manifest
from edgetender.model.facts_json import plain
from edgetender.model.hardware import Hardware
from edgetender.model.ledger import Demotion, Measured
from edgetender.model.manifest import SCHEMA, Manifest

_VOLATILE = ("memory_available_bytes", "memory_free_bytes")
_PARTS = {"engine": "Docker, the NVIDIA toolkit or CDI", "driver": "the driver", "gpu": "the accelerator",
          "cpu": "the processor", "memory": "the machine's memory"}  # fmt: skip


def explain_document(module: str, manifest: Manifest, hardware: Hardware, known: Known) -> dict[str, Any]:
    """What `edgetender explain MODULE` answers. Same arguments, same bytes. Raises NotFound."""
    if module not in manifest.modules:
        there = ", ".join(sorted(manifest.modules)) or "none"
        raise NotFound(f"cannot explain {module!r}: the manifest has no such module (it has: {there})")
    found = judged(module, manifest.modules[module], look_at(hardware, with_manifest(manifest.compat)), known)
    chosen = next((number for number, each in enumerate(found, 1) if each.verdict == "chosen"), None)
    return {
        "apiVersion": SCHEMA,
        "kind": "Explanation",
        "module": module,
        "deployment": manifest.deployment,
        "version": manifest.version,
        "facts": facts_hash(hardware),
        "chosen": found[chosen - 1].variant.name if chosen else None,
        "position": chosen,
        "variants": [_variant(number, each, found) for number, each in enumerate(found, 1)],
        "next": _next(found, chosen),
    }


def facts_hash(hardware: Hardware) -> str:
    """12 hex digits that are equal for equal hardware; what goes up and down by itself does not count."""
    form = sorted(
        canonical({k: v for k, v in plain(fact).items() if k != "observedAt"}).decode()
        for fact in hardware.facts
        if fact.name not in _VOLATILE
    )
    return sha256_hex(canonical(form))[:12]


def _variant(number: int, found: Judged, all_of_them: Sequence[Judged]) -> dict[str, Any]:
    return {
        "position": number,
        "name": found.variant.name,
        "image": found.variant.image,
        "provider": found.variant.provider,
        "verdict": found.verdict,
        "code": found.code,
        "because": found.because,
        "devices": list(found.devices),
        "predicates": [_predicate(check) for check in found.checks],
        "history": _history(found.demotion),
        "measured": _measured(found.figure),
        "wouldChange": _would_change(found, all_of_them),
    }


def _predicate(check: Checked) -> dict[str, Any]:
    return {
        "name": check.name,
        "wanted": check.wanted,
        "observed": check.observed,
        "truth": check.truth.value,
        "source": check.source,
        "code": check.code,
        "detail": check.detail,
        "implied": check.implied,
    }


def _history(demotion: Demotion | None) -> dict[str, Any] | None:
    if demotion is None:
        return None
    return {
        "code": demotion.code,
        "reason": demotion.reason,
        "at": rfc3339(demotion.at),
        "times": demotion.times,
        "until": rfc3339(demotion.until) if demotion.until else None,
        "part": demotion.part,
    }


def _measured(figure: Measured | None) -> dict[str, Any] | None:
    if figure is None:
        return None
    p95_ms = round(figure.p95_s * 1000, 3) if figure.p95_s is not None else None
    return {"p95Ms": p95_ms, "at": rfc3339(figure.at), "fingerprint": figure.fingerprint}


def _would_change(found: Judged, all_of_them: Sequence[Judged]) -> str:
    match found.verdict:
        case "chosen":
            return "; ".join(_losing(found)) or "its image or the manifest changes"
        case "eligible" if found.figure is not None:
            return "it is measured again: with another accelerator, driver or image"
        case "eligible":
            before = [each for each in all_of_them if each.verdict == "chosen"]
            return f"{before[0].variant.name} does not hold" if before else ""
        case "demoted" if found.demotion is not None:
            return forgotten_when(found.demotion)
        case "rejected" if found.code == "pinned":
            return "edgetender variant unpin"
        case _:
            allowed = found.variant.allow_unknown
            missing = [_missing(check) for check in found.checks if _excludes(check, allowed)]
            return "; ".join(dict.fromkeys(missing))


def _losing(found: Judged) -> Iterator[str]:
    """What would cost the chosen one its place."""
    if found.devices:
        yield "its accelerator is lost"
    versions = ("cuda", "driver", "jetpack", "l4t", "docker")
    yield from (f"{one.name} is no longer {one.wanted}" for one in found.checks if one.name in versions)


def _excludes(check: Checked, allowed: tuple[str, ...]) -> bool:
    if check.truth is Truth.UNKNOWN:
        return (
            not check.implied and check.name not in allowed and check.name.rpartition(".")[2] not in allowed
        )
    return check.truth is Truth.FALSE


def _missing(check: Checked) -> str:
    if check.code == "unknown_predicate":
        return f"a newer agent that knows {check.name}"
    if check.truth is Truth.UNKNOWN:
        return f"{check.name} becomes known"
    return f"{check.name} {check.wanted} (now {check.observed})".replace("  ", " ")


def forgotten_when(demotion: Demotion) -> str:
    """When a failure counts no more."""
    parts = [_PARTS.get(part, part) for part in demotion.part.split("+") if part]
    changes = " or ".join([*parts, "the image"])
    later = f", or at {rfc3339(demotion.until)}" if demotion.until else ""
    return f"{changes} changes{later}; edgetender variant forget"


def _next(found: Sequence[Judged], chosen: int | None) -> str:
    """Where it would go from here."""
    up = [
        (n, each)
        for n, each in enumerate(found, 1)
        if each.verdict == "demoted" and (chosen is None or n < chosen)
    ]
    down = next(((n, each) for n, each in enumerate(found, 1) if each.verdict == "eligible"), None)
    said = [
        f"to #{n} {each.variant.name} if {forgotten_when(each.demotion)}" for n, each in up if each.demotion
    ]
    if down is not None:
        said.append(f"to #{down[0]} {down[1].variant.name} if #{chosen} does not hold")
    if not said and chosen is None:
        return "nothing can run here until what is missing is there"
    return "; ".join(said) or "nowhere: no other variant can run here"
