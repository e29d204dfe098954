"""From a declared system to its assets and checks: what every migration from an export to SQL has in common."""
