"""What a health frame says of the core: outbox, acknowledgements, clock, configuration. The rest is in health.py."""

from pantau_wire import frame


def add(fields, node, outbox, oldest, problems):
    """Add the fields of a Node at its present instant; oldest: (boot, seq) of what it holds, or of what comes next."""
    clock = node.clock
    now = clock.uptime_ms()
    utc = clock.utc_ms(now)
    fields["uptime_ms"] = now
    if utc is not None:
        fields["utc_ms"] = utc
    fields["outbox_frames"] = outbox.index.live
    fields["outbox_records"] = outbox.records()
    fields["outbox_oldest_boot"], fields["outbox_oldest_seq"] = oldest
    fields["overwritten_frames"] = outbox.overwritten_frames
    fields["overwritten_records"] = outbox.overwritten_records
    fields["flash_errors"] = outbox.errors
    erases = getattr(outbox, "erases", 0)
    if erases:
        fields["flash_erases"] = erases
    fields["reconnects"] = node.reconnects
    fields["records_produced"] = node.produced
    fields["forged"] = node.forged
    if utc is not None and outbox.index.live:
        _add_age(fields, outbox.read(*oldest), utc)
    if node.last_ack_ms is not None:
        fields["last_ack_s"] = (now - node.last_ack_ms) // 1000
    if node.wakes:
        fields["wakes"] = node.wakes
    fields["clock_source"] = clock.source
    for name in ("steps", "slews", "refused"):
        if getattr(clock, name):
            fields["clock_" + name] = getattr(clock, name)
    if clock.last_change_ms:
        fields["clock_change_ms"] = clock.last_change_ms
    if node.trial is not None:
        fields["config_generation"] = node.trial.generation
        fields["config_state"] = node.trial.state
    if problems:
        fields["config_errors"] = problems
    if node.maintenance is not None:
        fields[node.maintenance.FIELD] = node.maintenance.left_s()
    if node.siren is not None:
        fields["siren"] = node.siren.state()


def _add_age(fields, data, utc):
    """Add the age of the oldest frame, which its header tells once both clocks are set."""
    if data is not None:
        head = frame.header(data)
        if head.clock:
            fields["outbox_oldest_s"] = max(0, utc // 1000 - head.base_s)
