"""`pantau sim check`: the mistakes of a scenario, before an hour of it is played."""

from __future__ import annotations

import click

from pantau.cli.report import UsageError


@click.command("check")
@click.argument("scenario")
@click.option("--seed", type=click.IntRange(0), help="Of everything that chance decides [the scenario's own].")
def command(scenario: str, seed: int | None) -> None:
    """Look at SCENARIO, a shipped name or a file, without playing it.

    Lists every mistake with its line, expectations that the scenario can never meet among them, and exits 2; else says what is
    to come and when.
    """
    from pantau_sim.scenario.check import look, told

    looked = look(scenario, seed)
    for problem in looked.problems:
        click.echo(str(problem))
    if looked.problems:
        count = len(looked.problems)
        raise UsageError(
            f"{count} mistake{'s' if count > 1 else ''} in {scenario}; docs/scenarios.md explains each key"
        )
    for line in told(looked):
        click.echo(line)
