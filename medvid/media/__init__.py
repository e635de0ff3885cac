"""Media: probe, integrity check, exact frames, JPEG, overlays, contact sheets."""
