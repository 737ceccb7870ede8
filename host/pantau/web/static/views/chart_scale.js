// The arithmetic of the chart: scales, ticks, runs and gaps, paths. Pure: numbers and strings in, numbers and strings out.
// A series is {t, min, max, last, q, n, reason} of equal length, t in Unix ms: columns of points, each of n readings. min and max are
// those of readings that did not fail, null where there are none; q is the worst flag of the point, reason that of its last reading.

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
const WIB_MS = 7 * HOUR; // no summer time: the offset is the zone

export const MISSING = 9; // QARTOD
export const BAD = 4;
export const SUSPECT = 3;
const SHARE = 8; // how many times the span of the values the axis may grow to show a threshold
export const EMPTY = "no_sample"; // nothing to measure (an empty road): missing, but neither fault nor gap

/** A linear scale from [d0, d1] to [r0, r1]; `back` goes the other way. */
export function linear(d0, d1, r0, r1) {
  const slope = (r1 - r0) / (d1 - d0 || 1);
  const scale = (value) => r0 + (value - d0) * slope;
  scale.back = (at) => d0 + (at - r0) / (slope || 1);
  return scale;
}

/** Round steps of 1, 2 or 5 within [low, high], about `wanted` of them, with the decimals that tell them apart. */
export function valueTicks(low, high, wanted) {
  const rough = (high - low) / Math.max(1, wanted) || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((n) => n * power >= rough * 0.999);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  const ticks = [];
  for (let n = first; n <= last; n++) ticks.push(Number((n * step).toFixed(digits)));
  return { ticks, digits };
}

const TIME_STEPS = [
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE), ...[1, 2, 3, 6, 12].map((n) => n * HOUR), ...[1, 2, 5, 10, 30, 90].map((n) => n * DAY),
];

/** Instants within [from, to] that a clock in WIB shows round, at most `most`; `day` marks midnight, which shows the date. */
export function timeTicks(from, to, most) {
  const step = TIME_STEPS.find((size) => (to - from) / size <= Math.max(1, most)) ?? TIME_STEPS.at(-1);
  const ticks = [];
  for (let at = Math.ceil((from + WIB_MS) / step) * step - WIB_MS; at <= to; at += step) {
    ticks.push({ ms: at, day: (at + WIB_MS) % DAY === 0 });
  }
  return ticks;
}

/** Midnights in WIB within (from, to). */
export function midnights(from, to) {
  const found = [];
  for (let at = Math.floor((from + WIB_MS) / DAY + 1) * DAY - WIB_MS; at < to; at += DAY) found.push(at);
  return found;
}

/** The series an answer holds, or null where it is none: no column longer or shorter than the times. */
export function seriesOf(answer) {
  if (!Array.isArray(answer?.t)) return null;
  const { t } = answer;
  const column = (name, other) => (Array.isArray(answer[name]) && answer[name].length === t.length ? answer[name] : other());
  const last = column("last", () => t.map(() => null));
  return {
    t,
    last,
    min: column("min", () => last),
    max: column("max", () => last),
    q: column("q", () => t.map(() => 1)),
    n: column("n", () => t.map(() => 1)),
    reason: column("reason", () => t.map(() => null)),
    bucket_ms: Number.isFinite(answer.bucket_ms) ? answer.bucket_ms : 0, // 0 where each reading is a point
  };
}

/** Whether nothing was measured at point i. */
export function missing(series, i) {
  return series.max[i] === null && series.last[i] === null;
}

/** Where the line passes at point i: its last value, held within what did not fail. */
export function lineAt(series, i) {
  const [low, high] = [series.min[i], series.max[i]];
  if (high === null || low === null) return series.last[i];
  return series.last[i] === null ? (low + high) / 2 : Math.min(high, Math.max(low, series.last[i]));
}

/** The value that stands out at point i: the greatest that did not fail, else the one that did. */
export function peakAt(series, i) {
  return series.max[i] ?? series.last[i];
}

/** The usual distance of two readings: the median; null for less than two. */
export function stepOf(t) {
  if (t.length < 2) return null;
  const steps = t.slice(1).map((ms, i) => ms - t[i]).sort((a, b) => a - b);
  return steps[steps.length >> 1];
}

/** Whether point i belongs to the line: it has a value, and not one that is known to be wrong. */
export function drawn(series, i) {
  return series.max[i] !== null && !(series.q[i] === BAD && series.n[i] <= 1);
}

/** [first, last] indices of unbroken stretches: consecutive drawn points no further apart than `gap_ms`. */
export function runs(series, gap_ms) {
  const found = [];
  let before = null;
  for (let i = 0; i < series.t.length; i++) {
    if (!drawn(series, i)) {
      if (missing(series, i)) before = null;
      continue;
    }
    if (before === null || series.t[i] - series.t[before] > gap_ms) found.push([i, i]);
    else found.at(-1)[1] = i;
    before = i;
  }
  return found;
}

/** [from, to] of times within `range` from which there is nothing, longer than `gap_ms`; `until` is the present. */
export function gaps(series, gap_ms, [from, to], until) {
  const end = Math.min(to, until);
  const found = [];
  let before = from;
  const close = (ms, slack) => {
    if (ms - before > slack && ms > from) found.push([Math.max(before, from), Math.min(ms, end)]);
  };
  for (let i = 0; i < series.t.length && series.t[i] <= end; i++) {
    if (missing(series, i) && series.reason[i] !== EMPTY) continue;
    close(series.t[i], gap_ms);
    before = series.t[i];
  }
  close(end, gap_ms);
  return found.filter(([a, b]) => b > a);
}

/** Indices of points to be marked: those with a reading that is suspect, bad or missing. */
export function marks(series) {
  const emptyAtTimes = series.reason.includes(EMPTY); // then a point that misses some readings says nothing
  const found = [];
  for (let i = 0; i < series.t.length; i++) {
    const empty = series.q[i] === MISSING && (series.reason[i] === EMPTY || (emptyAtTimes && series.max[i] !== null));
    if (series.q[i] >= SUSPECT && !empty) found.push(i);
  }
  return found;
}

/** The index whose time is nearest to `ms`, -1 in an empty series. */
export function nearest(t, ms) {
  let low = 0;
  let high = t.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (t[middle] < ms) low = middle + 1;
    else high = middle;
  }
  return low > 0 && ms - t[low - 1] <= t[low] - ms ? low - 1 : Math.min(low, t.length - 1);
}

/**
 * What the y axis spans: the drawn values with a margin. Zero-based where zero means nothing (counts, rain), never for a level.
 * Thresholds are taken in as long as the values keep an eighth of the height; the rest comes back as `beyond`.
 */
export function extent(series, { zero = false, least = 0, thresholds = [], fixed = null } = {}) {
  if (fixed) return { low: fixed[0], high: fixed[1], beyond: [] };
  let low = Infinity;
  let high = -Infinity;
  const take = (wanted) => {
    for (let i = 0; i < series.t.length; i++) {
      if (missing(series, i) || !wanted(i)) continue;
      low = Math.min(low, series.min[i] ?? series.last[i]);
      high = Math.max(high, peakAt(series, i));
    }
  };
  take((i) => drawn(series, i));
  if (low > high) take(() => true); // all are bad: then these are what there is to see
  if (low > high) [low, high] = zero || !thresholds.length ? [0, 1] : [thresholds[0].value, thresholds[0].value];
  if (zero) low = Math.min(0, low);
  const small = Math.max(least, Math.abs(high) * 0.02, 1e-9); // noise of a still river must not look like a flood
  if (high - low < small) zero ? (high = low + small) : ([low, high] = [(low + high - small) / 2, (low + high + small) / 2]);
  const span = high - low;
  const beyond = [];
  const byDistance = (a, b) => Math.max(a.value - high, low - a.value) - Math.max(b.value - high, low - b.value);
  for (const line of [...thresholds].sort(byDistance)) {
    if (Math.max(high, line.value) - Math.min(low, line.value) <= SHARE * span) [low, high] = [Math.min(low, line.value), Math.max(high, line.value)];
    else beyond.push(line);
  }
  const margin = (high - low) * 0.06;
  return { low: zero && low === 0 ? 0 : low - margin, high: high + margin, beyond };
}

const at = (number) => Math.round(number * 10) / 10;

/** The line through the last value of each point of a run; a run of one point is a dot, drawn by its round cap. */
export function linePath(series, [first, last], x, y) {
  let path = `M${at(x(series.t[first]))} ${at(y(lineAt(series, first)))}`;
  for (let i = first + 1; i <= last; i++) if (drawn(series, i)) path += `L${at(x(series.t[i]))} ${at(y(lineAt(series, i)))}`;
  return first === last ? `${path}h0` : path;
}

/** As linePath, in steps: each value holds until the next. */
export function stepPath(series, [first, last], x, y) {
  let path = `M${at(x(series.t[first]))} ${at(y(lineAt(series, first)))}`;
  for (let i = first + 1; i <= last; i++) if (drawn(series, i)) path += `H${at(x(series.t[i]))}V${at(y(lineAt(series, i)))}`;
  return first === last ? `${path}h0` : path;
}

/** The band from least to greatest of each point; empty where every point is one reading. */
export function bandPath(series, [first, last], x, y) {
  const up = [];
  const down = [];
  let wide = false;
  for (let i = first; i <= last; i++) {
    if (!drawn(series, i)) continue;
    wide ||= series.max[i] !== series.min[i];
    up.push(`${at(x(series.t[i]))} ${at(y(series.max[i]))}`);
    down.push(`${at(x(series.t[i]))} ${at(y(series.min[i]))}`);
  }
  return wide ? `M${up.join("L")}L${down.reverse().join("L")}Z` : "";
}

/** Bars from the base of the scale to the greatest value, each as wide as the time it stands for, which ends at its instant. */
export function barsPath(series, x, y, width_ms) {
  let path = "";
  const base = at(y(0));
  for (let i = 0; i < series.t.length; i++) {
    if (!drawn(series, i) || !series.max[i]) continue;
    const [left, right] = [x(series.t[i] - width_ms), x(series.t[i])];
    const thick = Math.max(1, (right - left) * (right - left < 4 ? 1 : 0.86)); // a shower of one minute stays visible in thirty days
    path += `M${at(right - thick)} ${base}V${at(y(series.max[i]))}h${at(thick)}V${base}Z`;
  }
  return path;
}

/** `range` scaled by `factor` about `ms`, no narrower than ten minutes, no wider than `most_ms`, not beyond `end`. */
export function zoomed([from, to], ms, factor, end, most_ms) {
  const span = Math.min(most_ms, Math.max(10 * MINUTE, (to - from) * factor));
  return shifted([ms - ((ms - from) / (to - from || 1)) * span, ms - ((ms - from) / (to - from || 1)) * span + span], 0, end);
}

/** `range` moved by `by_ms`, held before `end`. */
export function shifted([from, to], by_ms, end) {
  const moved = Math.min(by_ms, end - to);
  return [Math.round(from + moved), Math.round(to + moved)];
}

/** Why point i is flagged, null where only one of its many readings is and which is not told. */
export function reasonOf(series, i) {
  return series.n[i] <= 1 || series.max[i] === null ? series.reason[i] : null;
}

const BADNESS = [0, 1, 2, 3, 9, 4]; // QARTOD flags from good to worst
const TABLE_STEPS = [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY];
export const TABLE_ROWS = 96;

/** The series as rows for reading: one a time step, with least, greatest, last value and worst flag, so that no peak goes missing. */
export function tableRows(series, [from, to]) {
  const step = TABLE_STEPS.find((size) => (to - from) / size <= TABLE_ROWS) ?? TABLE_STEPS.at(-1);
  const rows = new Map();
  for (let i = 0; i < series.t.length; i++) {
    if (series.t[i] < from || series.t[i] > to) continue;
    const start = Math.floor((series.t[i] + WIB_MS) / step) * step - WIB_MS;
    const row = rows.get(start) ?? { from: start, to: start + step, min: null, max: null, last: null, n: 0, q: 0, reason: null };
    rows.set(start, row);
    row.n += series.n[i];
    if (BADNESS.indexOf(series.q[i]) > BADNESS.indexOf(row.q)) [row.q, row.reason] = [series.q[i], reasonOf(series, i)];
    if (missing(series, i)) continue;
    row.last = series.last[i] ?? row.last;
    row.min = Math.min(row.min ?? Infinity, series.min[i] ?? series.last[i]);
    row.max = Math.max(row.max ?? -Infinity, peakAt(series, i));
  }
  return [...rows.values()];
}

/** A date field's value, read as WIB; NaN for an unfinished one. */
export function fromField(value) {
  return Date.parse(`${value}:00+07:00`);
}

/** An instant as a date field takes it, in WIB. */
export function toField(ms) {
  return new Date(ms + WIB_MS).toISOString().slice(0, 16);
}
