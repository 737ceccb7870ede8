// Numbers of the network with their units, as a person reads them. Pure but for the words.

const SIZES = ["B", "KiB", "MiB", "GiB", "TiB"];
export const UNKNOWN = "–";

function round(text, value, digits) {
  return new Intl.NumberFormat(text.language, { maximumFractionDigits: digits }).format(value);
}

/** 99.7 %, never 100 % for less than all. */
export function percent(text, ratio) {
  const shown = ratio >= 1 ? 100 : Math.min(99.9, Math.floor(ratio * 1000) / 10);
  return `${round(text, shown, 1)} %`;
}

export function bytes(text, value) {
  let unit = 0;
  for (; value >= 1024 && unit < SIZES.length - 1; unit++) value /= 1024;
  return `${round(text, value, unit ? 1 : 0)} ${SIZES[unit]}`;
}

/** Seconds, signed and below a second in milliseconds; from a minute and a half on as ages are said. */
export function span(text, value) {
  const size = Math.abs(value);
  if (size >= 90) return `${value < 0 ? "−" : ""}${text.age(size)}`;
  if (size > 0 && size < 1) return `${round(text, value * 1000, size < 0.01 ? 1 : 0)} ms`;
  return `${round(text, value, 1)} ${text.word("units_time", "s")}`;
}

/** A figure of a tile: "4 / 5 nodes". */
export function figure(text, { value, unit, of }) {
  if (value === null) return UNKNOWN;
  if (unit === "ratio") return percent(text, value);
  if (unit === "bytes") return of === null ? bytes(text, value) : `${bytes(text, value)} / ${bytes(text, of)}`;
  if (unit === "s") return span(text, value);
  if (unit === "V" || unit === "dBm") return `${round(text, value, 2)} ${unit}`;
  const words = text.say(`network.units.${unit}`).split("|"); // "node|nodes" where a language tells one from many
  const word = (of ?? value) === 1 ? words[0] : words.at(-1);
  if (unit === "per_s") return `${round(text, value, value < 10 ? 2 : 0)} ${word}`;
  return `${text.number(value)}${of === null ? "" : ` / ${text.number(of)}`} ${word}`;
}
