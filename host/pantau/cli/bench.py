"""`pantau bench NAME`: measurements that anybody can repeat."""

from __future__ import annotations

from pathlib import Path

import click

from pantau.cli import report as reports


@click.group("bench")
def command() -> None:
    """Measure, and print figures beside a named reference."""


@command.command()
@click.option(
    "--series",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="CSV with unix_s, distance_mm, rain_tips, battery_mv, rssi_dbm; otherwise a generated week.",
)
@reports.option
def wire(path: Path | None, report: Path | None) -> None:
    """Bytes per flood record in several formats and batch sizes, and the cost of a frame on host and VM."""
    from pantau.bench import series
    from pantau.bench import wire as bench
    from pantau_sim.vm import MissingVmError, check_vm, find_vm

    try:
        samples = series.generate(seed=1) if path is None else series.read(path)
    except (OSError, ValueError) as error:
        raise reports.UsageError(str(error)) from None
    click.echo(f"{len(samples)} records from {path or 'the generator, seed 1'}; record = time, distance, rain, flags\n")
    sizes = bench.bytes_per_record(samples)
    click.echo("\n".join(bench.size_lines(sizes, len(samples))) + "\n")
    try:
        vm = find_vm()
        check_vm(vm)
    except MissingVmError as error:
        raise reports.MissingError(
            f"{error}\nWithout it there is no cost of a frame in the VM, and no report."
        ) from None
    spec = bench.cost_spec(samples)
    try:
        cost = {"cpython": bench.cost_here(spec), "micropython": bench.cost_in_vm(vm, spec)}
    except RuntimeError as error:
        raise reports.FailedError(str(error)) from None
    click.echo("\n".join(bench.cost_lines(cost)))
    reports.write(report, {"bytes_per_record": sizes, "cost_us": cost})
    if missed := bench.missed(sizes, len(samples)):
        raise reports.FailedError(f"the goal for batches of {' and '.join(map(str, missed))} is missed on this series")


@command.command()
@click.option(
    "--domain",
    "domains",
    type=click.Choice(["flood", "traffic", "air"]),
    multiple=True,
    help="Only this one; may be repeated.",
)
@click.option(
    "--hours", type=click.IntRange(1, 168), default=24, show_default=True, help="Length of the simulated day."
)
@click.option("--modules", is_flag=True, help="Also print what each module takes.")
@reports.option
def node(domains: tuple[str, ...], hours: int, modules: bool, report: Path | None) -> None:
    """Heap, code, flash and air of a whole node, per domain, over a simulated day.

    The heap is that of the 32-bit VM, whose objects have the size that they have on an ESP32. Prints which goals are missed.
    """
    from concurrent.futures import ThreadPoolExecutor

    from pantau.bench import node as bench
    from pantau_sim import nodebench
    from pantau_sim.vm import MissingVmError

    names = domains or tuple(nodebench.DOMAINS)
    try:
        with ThreadPoolExecutor(2) as pool:
            figures = pool.map(lambda name: nodebench.measure(name, hours), names)
            found = dict(zip(names, figures, strict=True))
    except MissingVmError as error:
        raise reports.MissingError(str(error)) from None
    except RuntimeError as error:
        raise reports.FailedError(str(error)) from None
    click.echo("\n".join(bench.lines(found)))
    for name in found if modules else ():
        click.echo("\n" + "\n".join(bench.modules(name, found[name])))
    found_energy = _energy()
    reports.write(
        report, {**found, "stated": bench.STATED, **found_energy, "sources": bench.sources(nodebench.FIGURES)}
    )


@command.command()
@click.option("--frames", type=click.IntRange(1_000), default=300_000, show_default=True, help="In each round.")
@click.option("--nodes", type=click.IntRange(1, 100_000), default=10_000, show_default=True)
@click.option("--rounds", type=click.IntRange(1, 9), default=3, show_default=True)
@reports.option
def ingest(frames: int, nodes: int, rounds: int, report: Path | None) -> None:
    """How fast the bridge makes frames durable, beside mosquitto_sub on the same broker with the same publishers.

    Starts its own Mosquitto. Exits 1 when a frame is lost or stored twice.
    """
    import tempfile

    from pantau_sim.ingestbench.run import measure

    with tempfile.TemporaryDirectory(prefix="pantau-bench-", ignore_cleanup_errors=True) as folder:
        try:
            found = measure(frames, nodes, rounds, Path(folder), click.echo)
        except FileNotFoundError as error:
            raise reports.MissingError(str(error)) from None
        except RuntimeError as error:
            raise reports.FailedError(str(error)) from None
    click.echo(
        f"\n{found['frames_per_s']:,} frames/s durable : {found['reference_msgs_per_s']:,} messages/s of mosquitto_sub "
        f"= {found['ratio']:.2f} (median of {rounds}; {nodes:,} nodes, {frames:,} frames)\n"
        f"{found['cpu_us_per_frame']} us CPU a frame; sink {found['sink_observations_per_s']:,} observations/s, "
        f"{found['sink_lag_frames']:,} frames behind at the end; {found['rss_mb']} MB to receive, {found['rss_city_mb']} MB behind\n"
        f"lost {found['lost']}, stored twice {found['duplicates']}"
    )
    reports.write(report, found)
    if found["lost"] or found["duplicates"]:
        raise reports.FailedError("frames were lost or stored twice: the bridge's log says more")


@command.command()
@click.option(
    "--alarms", type=click.IntRange(1, 200), default=150, show_default=True, help="Each of a node of its own."
)
@click.option("--seconds", type=click.FloatRange(0.1, 600), default=20, show_default=True, help="In which they come.")
@click.option("--load", type=click.IntRange(0, 20_000), default=0, show_default=True, help="Other frames a second.")
@click.option("--crossings", type=click.IntRange(0, 500), default=20, show_default=True, help="Of a node's sensors.")
@reports.option
def alert(alarms: int, seconds: float, load: int, crossings: int, report: Path | None) -> None:
    """How long an alarm takes to reach people: from the water's crossing in a node to the alert at a webhook.

    Its own Mosquitto, the bridge as it ships, and the whole firmware in the VM. Exits 1 when an alarm is lost or p99 of the
    way from frame to alert is 5 s or more.
    """
    import tempfile

    from pantau.bench import alert as bench
    from pantau_sim.alertbench import measure
    from pantau_sim.vm import MissingVmError

    with tempfile.TemporaryDirectory(prefix="pantau-bench-", ignore_cleanup_errors=True) as folder:
        try:
            found = measure(alarms, seconds, load, crossings, Path(folder), click.echo)
        except MissingVmError as error:
            raise reports.MissingError(str(error)) from None
        except RuntimeError as error:
            raise reports.FailedError(str(error)) from None
    click.echo("\n".join(bench.lines(found)))
    reports.write(report, found)
    if missed := bench.missed(found):
        raise reports.FailedError(missed)


@command.command()
@click.option("--messages", type=click.IntRange(1_000), default=300_000, show_default=True, help="In each round.")
@click.option("--rounds", type=click.IntRange(1, 9), default=3, show_default=True)
@reports.option
def clients(messages: int, rounds: int, report: Path | None) -> None:
    """How fast MQTT clients receive and acknowledge, beside mosquitto_sub: ours, paho, and others that are installed.

    Behind a Mosquitto of its own, and behind a bare socket that shows the ceiling of the client.
    """
    import tempfile

    from pantau_sim.ingestbench.clients import measure, table

    with tempfile.TemporaryDirectory(prefix="pantau-bench-", ignore_cleanup_errors=True) as folder:
        try:
            found = measure(messages, rounds, Path(folder), click.echo)
        except RuntimeError as error:
            raise reports.FailedError(str(error)) from None
    click.echo(f"\nmedian of {rounds}, {messages:,} messages of QoS 1; the last column is the ratio to mosquitto_sub")
    click.echo("\n".join(table(found)))
    reports.write(report, found)


@command.command()
@click.option("--gb", "sizes", type=click.FloatRange(0.001, 100), multiple=True, default=(0.1, 1.0), show_default=True)
@click.option("--nodes", type=click.IntRange(1, 100_000), default=10_000, show_default=True)
@reports.option
def spool(sizes: tuple[float, ...], nodes: int, report: Path | None) -> None:
    """How long the log takes to open after a kill and after a stop, by its size.

    Exits 1 when the largest takes more than three times the smallest and half a second.
    """
    import tempfile

    from pantau_sim.ingestbench.start import measure

    with tempfile.TemporaryDirectory(prefix="pantau-bench-") as folder:
        found = measure(sizes, nodes, Path(folder), click.echo)
    reports.write(report, found)
    if found["grows"]:
        raise reports.FailedError("a start after a crash grows with the log")


@command.command()
@click.option("--frames", type=click.IntRange(1_000), default=100_000, show_default=True, help="In each round.")
@click.option("--nodes", type=click.IntRange(1, 100_000), default=10_000, show_default=True)
@click.option("--rounds", type=click.IntRange(1, 9), default=3, show_default=True)
@reports.option
def cluster(frames: int, nodes: int, rounds: int, report: Path | None) -> None:
    """What a log shared by several bridges costs: one bridge with its own spool, with one NATS server, with a cluster of three.

    All on this machine, so that three servers share its processors. Exits 1 when a frame is lost or stored twice.
    """
    import tempfile

    from pantau_sim.ingestbench.cluster import measure
    from pantau_sim.servers import Missing

    with tempfile.TemporaryDirectory(prefix="pantau-bench-", ignore_cleanup_errors=True) as folder:
        try:
            found = measure(frames, nodes, rounds, Path(folder), click.echo)
        except Missing as error:
            raise reports.MissingError(str(error)) from None
        except RuntimeError as error:
            raise reports.FailedError(str(error)) from None
    reports.write(report, found)
    if any(one["lost"] or one["twice"] for one in found["logs"].values()):
        raise reports.FailedError("frames were lost or stored twice")


@command.command()
@click.option("--sink", "names", multiple=True, metavar="NAME", help="Only this one; may repeat.")
@click.option("--rounds", type=click.IntRange(1, 9), default=3, show_default=True)
@click.option("--scale", type=click.FloatRange(0.01, 100), default=1.0, show_default=True, help="Frames a round.")
@reports.option
def sinks(names: tuple[str, ...], rounds: int, scale: float, report: Path | None) -> None:
    """How fast each sink delivers to its real server, beside that server's own bulk tool.

    Starts the servers itself; one that is not installed is named and left out, and the exit code is then 3.
    """
    from pantau_sim.sinkbench import run

    if unknown := sorted(set(names) - run.SINKS.keys()):
        raise reports.UsageError(f"no sink {', '.join(unknown)}; there are {', '.join(run.SINKS)}")
    try:
        found = run.measure(names or tuple(run.SINKS), rounds, scale, click.echo)
    except RuntimeError as error:
        raise reports.FailedError(str(error)) from None
    reports.write(report, found)
    if missing := [f"{name} ({one['missing']})" for name, one in found.items() if "missing" in one]:
        raise reports.MissingError(f"not measured: {', '.join(missing)}; make servers installs them")


@command.command()
@click.option("--nodes", type=click.IntRange(1, 1000), default=10, show_default=True, help="Of each domain.")
@click.option("--hours", type=click.FloatRange(0.5, 168), default=24, show_default=True, help="Virtual hours.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes.")
@reports.option
def simulator(nodes: int, hours: float, jobs: int, report: Path | None) -> None:
    """A node's day by domain and a city's day in the simulator, beside a reference of the same run and real time."""
    from pantau_sim.citybench import measure
    from pantau_sim.vm import MissingVmError

    try:
        result = measure(nodes, hours, jobs, click.echo)
    except MissingVmError as error:
        raise reports.MissingError(str(error)) from None
    reports.write(report, result)


def _energy() -> dict[str, object]:
    """Print and return the energy of a day by profile."""
    from pantau.bench import energy
    from pantau_sim.node import firmware_folder
    from pantau_sim.vm import find_vm

    try:
        rows = energy.profiles(find_vm(), firmware_folder())
    except RuntimeError as error:
        raise reports.FailedError(str(error)) from None
    click.echo("\n" + "\n".join(energy.lines(rows)))
    return {"energy": rows}
