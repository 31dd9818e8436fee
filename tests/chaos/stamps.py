"""Lies about when a CRD's storage version moved: its entry in managedFields goes, or says 2099."""

from __future__ import annotations

from tests.bed.bed import CRDS, Bed


async def forge_move(bed: Bed, name: str, time: str | None) -> None:
    """Give the entry that owns spec.versions another time, or take it away, as any client may."""
    while True:
        live = await bed.live_crd(name)
        entries = live["metadata"].get("managedFields", [])
        moves = [e for e in entries if "f:versions" in e["fieldsV1"].get("f:spec", {})]
        if time is None:
            live["metadata"]["managedFields"] = [e for e in entries if e not in moves]
        for entry in moves:
            entry["time"] = time
        # A write that changes nothing but times changes nothing (fieldmanager's IgnoreManagedFieldsTimestamps).
        live["metadata"].setdefault("annotations", {})["forged"] = str(time)
        answer = await bed.http.put(f"{CRDS}/{name}", json=live)
        if answer.status_code != 409:
            answer.raise_for_status()
            return
