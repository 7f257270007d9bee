"""The pages of a device and of a fleet: which files they are made of. No build step, nothing from elsewhere."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

Page = Literal["device", "fleet"]

ASSETS = {
    "index.html": "text/html; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "view.js": "text/javascript; charset=utf-8",
    "orders.js": "text/javascript; charset=utf-8",
    "charts.js": "text/javascript; charset=utf-8",
    "drift.js": "text/javascript; charset=utf-8",
    "trends.js": "text/javascript; charset=utf-8",
    "elements.js": "text/javascript; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "favicon.svg": "image/svg+xml",
}
# nothing but this origin's own files; no page of anybody else may show it in a frame
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@cache
def asset(page: Page, name: str) -> tuple[str, bytes] | None:
    """(media type, bytes) of the *page*'s own file or of one that all share; None for a name it has not."""
    if name not in ASSETS:
        return None
    here = Path(__file__).parent
    file = next((one for one in (here / page / name, here / name) if one.exists()), None)
    return (ASSETS[name], file.read_bytes()) if file else None
