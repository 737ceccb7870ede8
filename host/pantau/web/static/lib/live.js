// The live stream, and how long it has been gone.

const LOST_MS = 4000; // a reconnect takes this long without a person being told

let current = null; // the stream, and how to open another
let lost_ms = Date.now(); // since when there is no live connection, null while there is one

/** Call heard[event](data) for each event; `missed` when what changed meanwhile is unknown; `turned` when the state may be another. */
export function listen(heard, missed, turned) {
  let opened = false;
  const connect = () => {
    const events = new EventSource("/api/events");
    current = { events, connect };
    events.addEventListener("open", () => {
      lost_ms = null;
      if (opened) missed();
      opened = true;
      turned();
    });
    events.addEventListener("error", () => {
      lost_ms ??= Date.now();
      if (events.readyState === EventSource.CLOSED) setTimeout(() => current.events === events && connect(), LOST_MS);
    });
    events.addEventListener("reload", missed);
    for (const [name, take] of Object.entries(heard)) events.addEventListener(name, ({ data }) => take(JSON.parse(data)));
  };
  connect();
}

/** Listen as somebody else: who logged in or out is told other things. */
export function again() {
  current?.events.close();
  current?.connect();
}

/** "live", "connecting" or "lost". */
export function state() {
  if (lost_ms === null) return "live";
  return Date.now() - lost_ms > LOST_MS ? "lost" : "connecting";
}

export function lostFor_s() {
  return lost_ms === null ? 0 : (Date.now() - lost_ms) / 1000;
}
