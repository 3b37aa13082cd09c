// The messages in space and time: a line down for each node, a line across for each message.

import { byId, make, clock } from "./cards.js";

const MOST_EVENTS = 400;
const [GUTTER, HEAD, ROW, LEAST_COLUMN] = [76, 26, 17, 52];
let [said, chosen, shape] = [new Map(), null, null];

/** The messages, and the rows of all that is drawn, in the order of time. */
function read(records) {
  const drawn = records.filter(({ kind, tale }) =>
    kind === "process" || (kind === "told" && (tale.tale !== "noted" || tale.note === "leads") && tale.tale !== "refused"));
  const events = drawn.slice(-MOST_EVENTS).sort((a, b) => a.at_us - b.at_us || a.number - b.number);
  const messages = new Map();
  events.forEach(({ kind, tale, node, at_us, number }, row) => {
    if (kind !== "told") return;
    if (tale.tale === "sent") {
      const message = { ...tale, from: node, sent: row, sent_us: at_us, number };
      messages.set(tale.id, { ...messages.get(tale.id), ...message });
    } else if (tale.tale === "received") {
      const arrival = { id: tale.id, arrived: row, arrived_us: at_us };
      messages.set(tale.id, { ...messages.get(tale.id), ...arrival });
    }
  });
  for (const [id, { sent }] of messages) if (sent === undefined) messages.delete(id);
  return { events, messages };
}

/** The messages that led to one, the last first. */
function chain(id) {
  const causes = [];
  for (let one = said.get(id); one && !causes.includes(one.id); one = said.get(one.cause)) causes.push(one.id);
  return causes;
}

const effects = (id) => (id ? [...said.values()].filter(({ cause }) => cause === id).map((message) => message.id) : []);

function drawMessage(svg, message, x, y, name) {
  const { id, from, to, sent, arrived } = message;
  const lost = arrived === undefined;
  const [x1, y1] = [x(from), y(sent)];
  const [x2, y2] = lost ? [x1 + (x(to) - x1) * 0.6, y1 + ROW * 0.6] : [x(to), y(arrived)];
  const group = make("g", svg, "", { class: `said${lost ? " lost" : ""}`, role: "button", tabindex: "-1", "data-id": id });
  group.setAttribute("aria-label", `${message.message} from ${name(from)} to ${name(to)}${lost ? ", not arrived" : ""}`);
  const ends = { x1, y1, x2, y2 };
  make("line", group, "", { ...ends, class: "wide-line" });
  make("line", group, "", ends);
  const angle = Math.atan2(y2 - y1, x2 - x1);
  const corner = (turn, far) => `${x2 - far * Math.cos(angle + turn)},${y2 - far * Math.sin(angle + turn)}`;
  if (!lost) make("polygon", group, "", { points: `${x2},${y2} ${corner(0.4, 8)} ${corner(-0.4, 8)}` });
  const side = x2 > x1 ? 4 : -4;
  make("text", group, message.message, { x: x1 + side, y: y1 - 2, "text-anchor": side > 0 ? "start" : "end" });
}

function drawEvent(svg, { kind, tale, node, state }, x, y) {
  if (kind === "process" && state === "gone") {
    const at = { x1: x(node) - 5, y1: y - 5, x2: x(node) + 5, y2: y + 5, class: "gone-mark" };
    make("line", svg, "", at);
    make("line", svg, "", { ...at, x1: at.x2, x2: at.x1 });
  } else if (kind === "told" && tale.tale === "noted") {
    make("circle", svg, "", { cx: x(node), cy: y, r: 5, class: "leads-mark" });
  }
}

function draw({ nodes, promises }, { events, messages }) {
  const box = byId("diagram");
  const follows = box.scrollTop + box.clientHeight >= box.scrollHeight - 40;
  const column = Math.max(LEAST_COLUMN, (box.clientWidth - GUTTER) / nodes.length);
  const [width, height] = [GUTTER + column * nodes.length, ROW * (events.length + 1)];
  const x = (node) => GUTTER + column * (node + 0.5);
  const y = (row) => ROW * (row + 1);
  const name = (node) => nodes[node]?.name ?? `P${node}`;
  const held = box.contains(document.activeElement);
  box.replaceChildren();
  const heads = make("svg", box, "", { width, height: HEAD, "aria-hidden": "true", class: "heads" });
  const svg = make("svg", box, "", { width, height, role: "group", "aria-label": "Messages" });
  for (const { id } of nodes) {
    make("text", heads, name(id).slice(0, 10), { x: x(id), y: 17, class: "name" });
    make("line", svg, "", { x1: x(id), y1: 0, x2: x(id), y2: height, class: "life" });
  }
  events.forEach((event, row) => {
    if (row % 5 === 0) make("text", svg, clock(event.at_us).slice(3, 12), { x: 4, y: y(row) + 4 });
    drawEvent(svg, event, x, y(row));
  });
  for (const { broken, at } of promises) {
    const row = events.findIndex((event) => event.number >= at);
    if (broken && row >= 0) make("line", svg, "", { x1: 0, y1: y(row), x2: width, y2: y(row), class: "break" });
  }
  said = messages;
  for (const message of messages.values()) drawMessage(svg, message, x, y, name);
  mark();
  if (follows) box.scrollTop = box.scrollHeight;
  if (held) group(chosen)?.focus({ preventScroll: true });
}

const group = (id) => [...byId("diagram").querySelectorAll(".said")].find((one) => one.dataset.id === id);

/** Shows which message is chosen, and why it was said. */
function mark() {
  const [causes, led] = [chain(chosen), effects(chosen)];
  const groups = [...byId("diagram").querySelectorAll(".said")];
  for (const one of groups) {
    const { id } = one.dataset;
    one.classList.toggle("chosen", id === chosen);
    one.classList.toggle("chain", causes.includes(id));
    one.classList.toggle("effect", led.includes(id));
    one.setAttribute("tabindex", "-1");
  }
  (group(chosen) ?? groups.at(-1))?.setAttribute("tabindex", "0");
}

function link(parent, id) {
  const button = make("button", parent, title(said.get(id)), { type: "button", class: "link" });
  button.addEventListener("click", () => choose(id, true));
}

const title = ({ message, from, to }) => `${message} from ${shape.name(from)} to ${shape.name(to)}`;

function describe() {
  const box = byId("message");
  const message = said.get(chosen);
  box.replaceChildren();
  if (!message) return;
  make("strong", box, title(message));
  const arrived = message.arrived_us === undefined ? "not arrived" : `arrived ${clock(message.arrived_us)}`;
  box.append(` ${message.id}, sent ${clock(message.sent_us)}, ${arrived}. `);
  const causes = chain(chosen).slice(1);
  box.append(causes.length ? "Because of: " : message.cause ? `Because of ${message.cause}. ` : "Because of no message. ");
  for (const id of causes) link(box, id);
  const led = effects(chosen);
  if (led.length) box.append(" Led to: ");
  for (const id of led) link(box, id);
}

/** Chooses a message; `shown` brings it into sight. */
export function choose(id, shown) {
  if (!said.has(id)) return;
  chosen = id;
  mark();
  describe();
  if (shown) group(id)?.scrollIntoView({ block: "center", inline: "nearest" });
}

/** The last message before a record. */
export function nearest(number) {
  return [...said.values()].filter((message) => message.number <= number).at(-1)?.id;
}

export function showDiagram(board, records, changed) {
  const { clientWidth } = byId("diagram");
  const same = shape?.width === clientWidth && !changed;
  shape = { width: clientWidth, name: (node) => board.nodes[node]?.name ?? `P${node}` };
  if (!same) draw(board, read(records));
}

byId("diagram").addEventListener("click", (event) => choose(event.target.closest(".said")?.dataset.id));
byId("diagram").addEventListener("keydown", (event) => {
  const id = event.target.closest(".said")?.dataset.id;
  const all = [...said.keys()];
  const next = {
    ArrowUp: () => all[all.indexOf(id) - 1],
    ArrowDown: () => all[all.indexOf(id) + 1],
    ArrowLeft: () => said.get(id)?.cause,
    ArrowRight: () => effects(id)[0],
    Enter: () => id,
    " ": () => id,
  }[event.key];
  if (!id || !next) return;
  event.preventDefault();
  const target = next();
  if (!said.has(target)) return;
  choose(target, true);
  group(target)?.focus();
});
