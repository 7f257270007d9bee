"""Are the agent's databases whole?"""

from __future__ import annotations

from edgetender.checks.device import Device
from edgetender.checks.finding import Check, Finding, fail, ok, skip, warn
from edgetender.store.inspection import inspect


def run(device: Device) -> Finding:
    folder = device.settings.state_dir
    found = {name: inspect(folder / name) for name in ("state.db", "queue.db", "webhook.db")}
    there = {name: fault for name, fault in found.items() if fault is not None}
    if broken := [f"{name}: {fault}" for name, fault in there.items() if fault]:
        repair = "systemctl restart edgetender (sets a damaged file aside and rebuilds it; containers go on)"
        return fail("; ".join(broken), repair)
    aside = sorted(
        path.name for path in folder.glob("*.damaged-*") if not path.name.endswith(("-wal", "-shm"))
    )
    if aside:
        repair = f"look at the disk (smartctl, dmesg), then: rm {folder}/*.damaged-*"
        return warn(f"was damaged before: {', '.join(aside)}", repair)
    return ok(f"{' and '.join(there)} are whole") if there else skip(f"nothing is in {folder} yet")


CHECK = Check(
    "storage",
    "the state databases are whole",
    "runtime",
    "A damaged database is set aside and rebuilt from what runs; it says that the disk is failing.",
    run,
    needs=("config-parse", "permissions"),
)
