"use strict";
// Shows what the controller knows, again and again, and sends what a person wants. Texts stay texts.

const INTERVAL_MS = 400;
const ORDERS = ["begin", "kill", "pause", "resume", "restart"];
const byId = (id) => document.getElementById(id);
const pairs = [];
let nodes = [];
let cards = [];

function make(name, parent, text, attributes = {}) {
  const element = document.createElement(name);
  if (text) element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
}

async function send(path, body = {}) {
  const headers = { "content-type": "application/json" };
  try {
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
    byId("trouble").textContent = answer.ok ? "" : (await answer.json()).error;
  } catch {
    byId("trouble").textContent = "The controller does not answer.";
  }
}

function makeCard(node) {
  const card = make("article", byId("cards"), "", { class: "card", "aria-labelledby": `name-${node.id}` });
  make("h2", card, `${node.name} `, { id: `name-${node.id}` });
  make("p", card, `attribute ${node.value} · ${node.addr}`, { class: "soft" });
  const state = make("p", card, "");
  const buttons = make("div", card, "", { class: "buttons", role: "group", "aria-label": `What to do to ${node.name}` });
  for (const order of ORDERS) {
    const button = make("button", buttons, order, { type: "button", "aria-label": `${order} ${node.name}` });
    button.addEventListener("click", () => send(`api/v1/nodes/${node.id}/${order}`));
  }
  const log = make("pre", card, "", { class: "log", role: "log", "aria-live": "off", "aria-label": `Log of ${node.name}`, tabindex: "0" });
  const row = make("tr", byId("rows"), "");
  const cells = [make("th", row, node.addr, { scope: "row" }), ...Array.from({ length: 4 }, () => make("td", row, ""))];
  return { card, state, log, cells };
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

function build(shown) {
  byId("election").textContent = shown.election;
  cards = shown.nodes.map(makeCard);
  shown.nodes.forEach((b, at) => shown.nodes.slice(0, at).forEach((a) => makePair(a, b)));
  for (const { a, b, box, way } of pairs) {
    const has = (from, to) => shown.blocked.some((one) => one.from === from && one.to === to);
    box.checked = has(a, b) || has(b, a);
    way.value = has(a, b) === has(b, a) ? "both" : has(a, b) ? "there" : "back";
  }
}

function condition(node) {
  if (node.state === "gone") return "killed";
  if (node.state === "paused") return "paused";
  if (!node.heard) return "silent";
  if (node.leads) return "leader";
  return node.deputy ? "deputy" : "follower";
}

function show(shown) {
  nodes = shown.nodes;
  if (cards.length === 0) build(shown);
  nodes.forEach((node, at) => {
    const { card, state, log, cells } = cards[at];
    const is = condition(node);
    state.textContent = `${is}${node.status && is !== "killed" ? ` · ${node.status}` : ""}`;
    card.className = `card ${{ leader: "leads", deputy: "deputy", killed: "gone" }[is] ?? ""}`;
    const alive = is !== "killed" && is !== "silent";
    const texts = [node.addr, node.coordinator, node.groupid, alive ? node.status : "down", node.date];
    cells.forEach((cell, column) => { cell.textContent = texts[column] ?? ""; });
    const text = node.lines.join("\n");
    if (log.textContent !== text) {
      log.textContent = text;
      log.scrollTop = log.scrollHeight;
    }
  });
  const leaders = nodes.filter((node) => condition(node) === "leader").map((node) => node.name);
  const summary = leaders.length === 0 ? "Nobody leads." : `${leaders.join(" and ")} ${leaders.length > 1 ? "lead" : "leads"}.`;
  if (byId("summary").textContent !== summary) byId("summary").textContent = summary;
}

async function look() {
  try {
    show(await (await fetch("api/v1/lab")).json());
  } catch {
    byId("summary").textContent = "The controller does not answer.";
  }
  setTimeout(look, INTERVAL_MS);
}

byId("begin").addEventListener("click", () => {
  const first = nodes.find((node) => node.heard && node.state !== "paused");
  if (first) send(`api/v1/nodes/${first.id}/begin`);
});
byId("kill-leader").addEventListener("click", () => send("api/v1/leader/kill"));
byId("reset").addEventListener("click", () => {
  for (const { box } of pairs) box.checked = false;
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
look();
