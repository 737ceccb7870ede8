// Words, numbers and times in the chosen language. Strings are data (strings/*.json); nothing here touches the page.

const ZONE = "Asia/Jakarta"; // shown in WIB, stored in UTC
const DIGITS = {
  water_level: 2, water_distance: 3, water_distance_spread: 3, air_temperature: 1, relative_humidity: 0, air_pressure: 1,
  vehicle_speed_mean: 0, vehicle_speed_85: 0, occupancy: 0, rain_amount: 1, pm1: 1, pm2_5: 1, pm10: 1, pm2_5_cf1: 1,
  water_distance_corrected: 3, water_depth: 3, transducer_voltage: 3, pm2_5_spread: 1, pm4: 1, typical_particle_size: 2,
};

const LOCALES = { en: "en-GB", id: "id" }; // days before months, as the room writes them

let all = { en: {}, id: {} };
export let language = "en";

const TOPICS = ["alerts", "map", "station", "list", "network", "board", "access"];

/** Load every table of words: common.json at the root, the others under their name. */
export async function load() {
  const read = async (name) => (await fetch(`/static/strings/${name}.json`)).json();
  const [common, ...topics] = await Promise.all(["common", ...TOPICS].map(read));
  all = common;
  topics.forEach((words, at) => {
    for (const spoken of ["en", "id"]) all[spoken][TOPICS[at]] = words[spoken];
  });
}

export function use(wanted) {
  language = wanted === "id" ? "id" : "en";
}

/** The string `key` ("states.ok"), with {name} replaced; an unknown key shows itself rather than nothing. */
export function say(key, values = {}) {
  const found = key.split(".").reduce((at, part) => at?.[part], all[language]);
  return (found ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** The word of a table whose keys come from data (a property, a unit, a reason): unknown ones show as they are. */
export function word(table, key) {
  const words = all[language][table] ?? {};
  return Object.hasOwn(words, key) ? words[key] : String(key);
}

/** Where a property stands in the table of properties, which is in reading order; unknown ones come last. */
export function place(property) {
  const found = Object.keys(all.en.properties).indexOf(property);
  return found < 0 ? 1000 : found;
}

export function number(value, property) {
  const digits = Object.hasOwn(DIGITS, property) ? DIGITS[property] : undefined;
  const options = digits === undefined ? { maximumFractionDigits: 3 } : { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(language, options).format(value);
}

/** Seconds as a person says them: 42 s, 3 min, 2 h, 5 d. */
export function age(seconds) {
  const steps = [["s", 1, 90], ["min", 60, 5400], ["h", 3600, 172800], ["d", 86400, Infinity]];
  const [unit, size] = steps.find(([, , until]) => seconds < until);
  return `${Math.max(0, Math.floor(seconds / size))} ${word("units_time", unit)}`;
}

export function clock(ms) {
  const options = { timeZone: ZONE, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  const parts = new Intl.DateTimeFormat("en", options).formatToParts(ms);
  const get = (type) => parts.find((part) => part.type === type).value;
  return `${get("hour")}:${get("minute")}:${get("second")} ${say("zone")}`;
}

export function dateTime(ms) {
  const day = new Intl.DateTimeFormat(LOCALES[language], { timeZone: ZONE, day: "numeric", month: "short", year: "numeric" });
  return `${day.format(ms)} ${clock(ms)}`;
}

/** 14:05, as the marks of a time axis have it. */
export function hourMinute(ms) {
  return clock(ms).slice(0, 5);
}

/** 29 Nov. */
export function day(ms) {
  return new Intl.DateTimeFormat(LOCALES[language], { timeZone: ZONE, day: "numeric", month: "short" }).format(ms);
}
