// Who lies on whom at one zoom: pure arithmetic on pixels. Calm stations gather in clusters; those that call are fanned out.

const CROWDED = 15; // px: signs nearer than this cannot be told apart
const GATHER = 32; // px around a crowded one that its cluster takes in, so that clusters do not lie on each other either
const WIDE = 30; // px: a cluster's sign
const FAN = 20;
const APART = 25; // px between two signs of a fan
const RING_MOST = 8; // signs on one ring of a fan; more wind outwards
const GOLDEN = Math.PI * (3 - Math.sqrt(5));

/** A function that finds the points ([{x, y}]) within `near` px of one, itself included. */
function around(points, near) {
  const cells = new Map();
  const cell = (x, y) => `${Math.floor(x / near)} ${Math.floor(y / near)}`;
  for (const point of points) {
    const name = cell(point.x, point.y);
    if (cells.has(name)) cells.get(name).push(point);
    else cells.set(name, [point]);
  }
  return ({ x, y }) => {
    const found = [];
    for (let dx = -near; dx <= near; dx += near) {
      for (let dy = -near; dy <= near; dy += near) {
        for (const other of cells.get(cell(x + dx, y + dy)) ?? []) if (Math.hypot(other.x - x, other.y - y) < near) found.push(other);
      }
    }
    return found;
  };
}

/** Groups of points that lie within `near` px of their first one, in the order given. */
function gather(points, near) {
  const by = around(points, near);
  const taken = new Set();
  const groups = [];
  for (const first of points) {
    if (taken.has(first)) continue;
    const group = by(first).filter((other) => !taken.has(other));
    for (const one of group) taken.add(one);
    groups.push(group);
  }
  return groups;
}

/** Clusters where signs would lie on each other; every other point is a group of its own. */
export function clusters(points) {
  const close = around(points, CROWDED);
  const [crowded, free] = [[], []];
  for (const point of points) (close(point).length > 1 ? crowded : free).push(point);
  if (!crowded.length) return points.map((point) => [point]);
  // Starting at the crowded ones, so that a cluster forms around them.
  const groups = gather([...crowded, ...free], GATHER);
  // Their middles may have come close to each other, or to one that stands alone: those join.
  const middles = groups.map((group) => ({ x: mean(group, "x"), y: mean(group, "y"), group, size: group.length }));
  middles.sort((a, b) => b.size - a.size);
  return gather(middles, WIDE).flatMap((near) => (near[0].size > 1 ? [near.flatMap(({ group }) => group)] : near.map(({ group }) => group)));
}

/** Where each point of a group goes so that all are seen, `hole` px around their middle left free: [[dx, dy]] from its own place. */
export function fan(group, apart = APART, hole = 0) {
  if (group.length === 1 && !hole) return [[0, 0]];
  const middle = { x: mean(group, "x"), y: mean(group, "y") };
  const ring = Math.max(hole, apart / 2, (apart * group.length) / (2 * Math.PI));
  const wound = group.length > RING_MOST;
  const first = Math.max(0.5, (hole / (apart * 0.62)) ** 2);
  return group.map((point, place) => {
    const radius = wound ? apart * 0.62 * Math.sqrt(place + first) : ring;
    const angle = wound ? place * GOLDEN : (place / group.length) * 2 * Math.PI - (group.length === 2 ? 0 : Math.PI / 2);
    return [middle.x + radius * Math.cos(angle) - point.x, middle.y + radius * Math.sin(angle) - point.y];
  });
}

/** Fans of points that would hide each other. */
export function fans(points, near = FAN) {
  return gather(points, near);
}

export function mean(group, axis) {
  return group.reduce((sum, point) => sum + point[axis], 0) / group.length;
}
