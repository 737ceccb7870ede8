// Who lies on whom at one zoom: pure arithmetic on pixels. Calm stations gather in clusters; those that call are fanned out.

const GATHER = 25; // px: signs nearer than this cannot be told apart
const FAN = 20;
const APART = 25; // px between two signs of a fan
const RING_MOST = 8; // signs on one ring of a fan; more wind outwards
const GOLDEN = Math.PI * (3 - Math.sqrt(5));

/** Groups of `points` ([{x, y}]) that lie within `near` px of their first one, in the order given. */
export function gather(points, near = GATHER) {
  const cells = new Map();
  const cell = (x, y) => `${Math.floor(x / near)} ${Math.floor(y / near)}`;
  for (const point of points) {
    const name = cell(point.x, point.y);
    if (cells.has(name)) cells.get(name).push(point);
    else cells.set(name, [point]);
  }
  const taken = new Set();
  const groups = [];
  for (const first of points) {
    if (taken.has(first)) continue;
    const group = [];
    for (let dx = -near; dx <= near; dx += near) {
      for (let dy = -near; dy <= near; dy += near) {
        for (const other of cells.get(cell(first.x + dx, first.y + dy)) ?? []) {
          if (!taken.has(other) && Math.hypot(other.x - first.x, other.y - first.y) < near) {
            taken.add(other);
            group.push(other);
          }
        }
      }
    }
    groups.push(group);
  }
  return groups;
}

/** Where each point of a group goes so that all are seen: [[dx, dy]] from its own place. */
export function fan(group) {
  if (group.length === 1) return [[0, 0]];
  const middle = { x: mean(group, "x"), y: mean(group, "y") };
  const ring = Math.max(APART / 2, (APART * group.length) / (2 * Math.PI));
  return group.map((point, place) => {
    const wound = group.length > RING_MOST;
    const radius = wound ? APART * 0.62 * Math.sqrt(place + 0.5) : ring;
    const angle = wound ? place * GOLDEN : (place / group.length) * 2 * Math.PI - Math.PI / 2 + (group.length === 2 ? Math.PI / 2 : 0);
    return [middle.x + radius * Math.cos(angle) - point.x, middle.y + radius * Math.sin(angle) - point.y];
  });
}

/** Fans of points that would hide each other. */
export function fans(points) {
  return gather(points, FAN);
}

export function mean(group, axis) {
  return group.reduce((sum, point) => sum + point[axis], 0) / group.length;
}
