// The table, the cards with their logs, and the form that blocks connections.

const MOST_LINES = 200;
const ORDERS = [["begin", "Initiate"], ["kill", "Kill"], ["pause", "Pause"], ["resume", "Resume"], ["restart", "Restart"]];
const SVG = "http://www.w3.org/2000/svg";
const pairs = [];
let cards = [];

export const byId = (id) => document.getElementById(id);

export function make(name, parent, text, attributes = {}) {
  const drawn = parent.namespaceURI === SVG || name === "svg";
  const element = drawn ? document.createElementNS(SVG, name) : document.createElement(name);
  if (text) element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
}

/** The time of the day, in UTC, to the microsecond. */
export function clock(us) {
  const micros = String(Math.floor(us % 1000)).padStart(3, "0");
  return new Date(us / 1000).toISOString().slice(11, 23) + micros;
}

export async function send(path, body = {}) {
  const headers = { "content-type": "application/json" };
  try {
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
    byId("trouble").textContent = answer.ok ? "" : (await answer.json()).error;
    return answer.ok;
  } catch {
    byId("trouble").textContent = "The controller does not answer.";
    return false;
  }
}

export function condition(node) {
  if (node.state === "gone") return "killed";
  if (node.state === "paused") return "paused";
  if (!node.heard) return "silent";
  if (node.leads) return "leader";
  return node.deputy ? "deputy" : "follower";
}

/** A note of a machine, in words. */
function words(note, name) {
  if (note === "holds") return "holds an election";
  if (note === "leads") return "is coordinator";
  const [[word, value]] = Object.entries(note);
  if (word === "started") return `starts life ${value}`;
  if (word === "suspects") return `takes ${name(value)} for dead`;
  return word === "yields" ? `leaves it to ${name(value)}` : `follows ${name(value)}`;
}

function line(record, name) {
  const { tale } = record;
  switch (record.kind === "told" ? tale.tale : record.kind) {
    case "sent": return `sends ${tale.message} to ${name(tale.to)}`;
    case "received": return `hears ${tale.message} from ${name(tale.from)}`;
    case "noted": return words(tale.note, name);
    case "refused": return `refuses a call: ${tale.why}`;
    case "process": return { gone: "is killed", running: "runs", paused: "is paused", elsewhere: "is elsewhere" }[record.state];
    case "silent": return "is silent";
    case "missed": return `has told ${record.count} things that did not get here`;
    case "ordered": return `a person orders: ${record.order}`;
    default: return null;
  }
}

function makeCard(node, quiet) {
  const card = make("article", byId("cards"), "", { class: "card", "aria-labelledby": `name-${node.id}` });
  make("h2", card, node.name, { id: `name-${node.id}` });
  make("p", card, `attribute ${node.value} · ${node.addr}`, { class: "soft" });
  const state = make("p", card, "", { class: "state" });
  const buttons = make("div", card, "", { class: "buttons", role: "group", "aria-label": `What to do to ${node.name}` });
  buttons.hidden = quiet;
  const orders = Object.fromEntries(ORDERS.map(([order, word]) => {
    const button = make("button", buttons, word, { type: "button", "aria-label": `${word} ${node.name}`, "data-order": order });
    button.addEventListener("click", () => send(`api/v1/nodes/${node.id}/${order}`));
    return [order, button];
  }));
  const log = make("pre", card, "", { class: "log", role: "log", "aria-live": "off", "aria-label": `Log of ${node.name}`, tabindex: "0" });
  const row = make("tr", byId("rows"), "");
  const cells = [make("th", row, node.addr, { scope: "row" }), ...Array.from({ length: 4 }, () => make("td", row, ""))];
  return { card, state, orders, log, cells, lines: [] };
}

function makePair(a, b) {
  const line = make("div", byId("pairs"), "");
  const label = make("label", line, "");
  const box = make("input", label, "", { type: "checkbox" });
  label.append(` ${a.name} and ${b.name}`);
  const way = make("select", line, "", { "aria-label": `Which way between ${a.name} and ${b.name}` });
  make("option", way, "both ways", { value: "both" });
  make("option", way, `${a.name} to ${b.name} only`, { value: "there" });
  make("option", way, `${b.name} to ${a.name} only`, { value: "back" });
  pairs.push({ a: a.id, b: b.id, box, way });
}

/** Checks the boxes as the controller has it. */
export function showBlocked(blocked) {
  for (const { a, b, box, way } of pairs) {
    const has = (from, to) => blocked.some((one) => one.from === from && one.to === to);
    box.checked = has(a, b) || has(b, a);
    way.value = has(a, b) === has(b, a) ? "both" : has(a, b) ? "there" : "back";
  }
}

export function showNodes({ nodes, blocked }, quiet) {
  if (cards.length === 0) {
    cards = nodes.map((node) => makeCard(node, quiet));
    nodes.forEach((b, at) => nodes.slice(0, at).forEach((a) => makePair(a, b)));
    showBlocked(blocked);
  }
  nodes.forEach((node, at) => {
    const { card, state, orders, cells } = cards[at];
    const is = condition(node);
    state.textContent = `${is}${node.status && is !== "killed" ? ` · ${node.status}` : ""}`;
    card.className = `card ${{ leader: "leads", deputy: "deputy", killed: "gone", paused: "paused" }[is] ?? ""}`;
    const [running, here] = [node.state === "running", node.state !== "elsewhere"];
    orders.begin.disabled = !node.heard || node.state === "paused";
    orders.kill.disabled = !here || is === "killed";
    orders.pause.disabled = !running;
    orders.resume.disabled = node.state !== "paused";
    orders.restart.disabled = !here;
    const alive = is !== "killed" && is !== "silent";
    const texts = [node.addr, node.coordinator, node.groupid, alive ? node.status : "down", node.date && clock(node.date)];
    cells.forEach((cell, column) => { cell.textContent = texts[column] ?? ""; });
  });
}

/** Adds to the logs what has happened. */
export function tell({ nodes }, records) {
  const name = (id) => nodes[id]?.name ?? `P${id}`;
  const changed = new Set();
  for (const record of records) {
    const card = cards[record.node];
    const text = card && line(record, name);
    if (!text) continue;
    card.lines.push(`${clock(record.at_us)}  ${text}`);
    changed.add(card);
  }
  for (const card of changed) {
    card.lines.splice(0, card.lines.length - MOST_LINES);
    card.log.textContent = card.lines.join("\n");
    card.log.scrollTop = card.log.scrollHeight;
  }
}

/** Empties the logs, to tell it all again. */
export function forget() {
  for (const card of cards) [card.lines, card.log.textContent] = [[], ""];
}

export function watchOrders() {
  byId("reset").addEventListener("click", () => {
    showBlocked([]);
    send("api/v1/blocks", { blocked: [] });
  });
  byId("blocks").addEventListener("submit", (event) => {
    event.preventDefault();
    const blocked = pairs.filter(({ box }) => box.checked).flatMap(({ a, b, way }) => [
      ...(way.value === "back" ? [] : [{ from: a, to: b }]),
      ...(way.value === "there" ? [] : [{ from: b, to: a }]),
    ]);
    send("api/v1/blocks", { blocked });
  });
}
