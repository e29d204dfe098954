"""Damage to an export's files, seeded: any byte of any file flipped, cut, swapped, missing, doubled; checksums too."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from fault.test_export_corruption import reseal

KINDS = ("flip", "flip a bit", "cut", "swap", "missing", "doubled", "listed twice", "grown", "emptied")


def damage(export: Path, random: Random) -> str:
    """Damage the export in place; what was done. In a third of all cases the checksums are made to agree afterwards,
    so that only the deeper checks can object."""
    files = sorted(path for path in export.rglob("*") if path.is_file())
    file = random.choice(files)
    kind = random.choice(KINDS)
    _do(kind, file, files, random)
    told = f"{kind}: {file.relative_to(export)}"
    if file.parent.name == "data" and random.random() < 1 / 3:
        if kind == "missing":
            _unlist(export, file)
        reseal(export)
        told += ", resealed"
    return told


def _do(kind: str, file: Path, files: list[Path], random: Random) -> None:
    content = file.read_bytes()
    at = random.randrange(len(content)) if content else 0
    match kind:
        case "flip" if content:
            file.write_bytes(content[:at] + bytes([content[at] ^ random.randint(1, 255)]) + content[at + 1 :])
        case "flip a bit" if content:
            file.write_bytes(content[:at] + bytes([content[at] ^ 1 << random.randrange(8)]) + content[at + 1 :])
        case "cut":
            file.write_bytes(content[:at])
        case "swap":
            other = random.choice([each for each in files if each != file and each.parent == file.parent])
            theirs = other.read_bytes()
            other.write_bytes(content)
            file.write_bytes(theirs)
        case "missing":
            file.unlink()
        case "doubled":
            file.write_bytes(content * 2)
        case "listed twice":
            _list_again(file, files)
        case "grown":
            file.write_bytes(content + random.randbytes(random.randint(1, 40)))
        case _:
            file.write_bytes(b"")


def _manifest(files: list[Path]) -> Path:
    return next(each for each in files if each.name == "manifest-files.json")


def _list_again(file: Path, files: list[Path]) -> None:
    """The manifest names one data file twice."""
    manifest = _manifest(files)
    lines = manifest.read_bytes().splitlines(keepends=True)
    again = next((line for line in lines if file.name.encode() in line), lines[0])
    manifest.write_bytes(b"".join([*lines, again]))


def _unlist(export: Path, file: Path) -> None:
    """The manifest no longer names a file that is gone."""
    manifest = export / "manifest-files.json"
    kept = [
        line for line in manifest.read_bytes().splitlines() if not json.loads(line)["dataFileS3Key"].endswith(file.name)
    ]
    manifest.write_bytes(b"".join(line + b"\n" for line in kept))
