"""``inscape show STUDY``: the paper, its claims, what is reproduced, and the settings of each
preset."""

from __future__ import annotations

import textwrap
from typing import Annotated, Any

import typer

from inscape.cli.printing import columns, emit, paragraph, say, width

EPILOG = """Examples:

\b
  inscape show space-time-neurons
"""


def show(
    study: Annotated[
        str, typer.Argument(metavar="STUDY", help="A study, as 'inscape list' names it.")
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print card, presets and settings as JSON.")
    ] = False,
) -> None:
    """Show a study: claims, criteria, controls, presets, settings."""
    from inscape.study import config as configs
    from inscape.study.discover import load_study

    found = load_study(study)
    settings = configs.settings_of(found)
    if as_json:
        listed = [
            {
                "name": s.name,
                "kind": s.kind,
                "default": s.default,
                "presets": s.presets,
                "help": s.help,
            }
            for s in settings
        ]
        emit({"card": found.card.to_dict(), "presets": list(found.presets), "settings": listed})
        return
    card = found.card
    for line in textwrap.wrap(card.title, width()):
        say(bold=line)
    say(f"{card.authors}, {card.year}. {card.link}\n")
    controls = card.controls if isinstance(card.controls, str) else "; ".join(card.controls)
    rows = [
        ("Claim", card.claim),
        ("Here", card.reproduced),
        ("Controls", controls),
    ]
    rows += [
        ("Criterion", f"{c.text}: {c.criterion}.") for c in card.claims.values() if not c.sanity
    ]
    rows += [("Groups", card.group_note)] if card.group_note else []
    rows += [("Does not reproduce", card.negative)] if card.negative else []
    columns(rows, indent=0)
    say("\nPresets")
    columns([(name, _minutes(card.minutes.get(name))) for name in found.presets])
    say("\nSettings, changed with --set NAME=VALUE")
    for setting in settings:
        _setting(setting)
    say(f"\nRun it: inscape run {card.slug} --preset {next(iter(found.presets))}")


def _minutes(minutes: float | int | None) -> str:
    if minutes is None:
        return "time not stated"
    if minutes < 1:
        return f"about {max(round(minutes * 60), 1)} seconds on two cores"
    return (
        f"about {minutes:g} minutes on two cores"
        if minutes < 120
        else f"about {minutes / 60:.3g} hours"
    )


def _setting(setting: Any) -> None:
    say(f"  ({setting.kind})", bold=f"  {setting.name}")
    if setting.help:
        paragraph(setting.help, indent=6)
    values = {name: _value(v) for name, v in setting.presets.items()}
    if len(set(values.values())) == 1:
        paragraph(f"always {next(iter(values.values()))}", indent=6)
    else:
        paragraph(", ".join(f"{name}: {v}" for name, v in values.items()), indent=6)


def _value(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value)) or "(empty)"
    return str(value) if value != "" else "(empty)"
