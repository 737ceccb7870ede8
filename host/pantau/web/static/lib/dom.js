// Making elements. Text is always a text node: names and values from outside can never become markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with a class, optional text and children. */
export function el(tag, className = "", text = null, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== null) made.textContent = text;
  made.append(...children);
  return made;
}

/** An SVG element with attributes. */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const DOMAINS = new Set(["flood", "traffic", "air"]);

export function icon(domain, className = "icon") {
  return svg("svg", { class: className, "aria-hidden": "true" }, svg("use", { href: `#${DOMAINS.has(domain) ? domain : "other"}` }));
}

/** Set text only when it differs: a page of a thousand stations is told the time each second. */
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
