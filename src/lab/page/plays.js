// Plays: things that are done and waited for one after the other, told while they happen.

import { byId, make, send, showBlocked, condition } from "./cards.js";
import { choose } from "./diagram.js";

const [LOOK_MS, LONGEST_STEP_MS] = [200, 120_000];
let [known, playing] = [null, false];

const nodes = () => known.board.nodes;
const leaders = () => nodes().filter((node) => node.leads);
const order = (node, what) => send(`api/v1/nodes/${node.id}/${what}`);
const kill = (node) => order(node, "kill");
const names = (some) => some.map((node) => node.name).join(" and ");
/** All that are up settle on one. */
const agree = () => known.board.promises.every(({ name, holds }) => name !== "All that are up agree now" || holds);
const led = () => leaders().length === 1 && agree();

/** What was sent since a record, of such a name, by such a node, to such another. */
function sent(since, message, from, to) {
  const is = ({ number, kind, node, tale }) =>
    number > since && kind === "told" && tale.tale === "sent" && tale.message === message &&
    node === from && (to === undefined || tale.to === to);
  return known.records.filter(is).map((record) => record.tale.id);
}

const all = (some, check) => (some.every((one) => check(one).length > 0) ? some.flatMap(check) : []);

async function everybodyUp() {
  for (const node of nodes().filter((one) => one.state === "gone")) await order(node, "restart");
  for (const node of nodes().filter((one) => one.state === "paused")) await order(node, "resume");
  showBlocked([]);
  await send("api/v1/blocks", { blocked: [] });
}
const whole = { say: "All are up and settle on one.", act: everybodyUp, until: () => nodes().every((node) => node.heard) && led() };

/** Eight processes; the highest was coordinator and has crashed; the fourth from above notices. */
function figure() {
  const top = nodes().at(-1);
  const [notices, ...middle] = nodes().slice(-4, -1);
  const [winner, others] = [middle.at(-1), middle.slice(0, -1)];
  let since = 0;
  const above = (one) => nodes().slice(one.id + 1);
  const elections = (one) => all(above(one), (to) => sent(since, "ELECTION", one.id, to.id));
  return [
    whole,
    { say: `${top.name}, the coordinator, crashes.`, act: () => kill(top), until: () => condition(nodes()[top.id]) === "killed" },
    { say: `(a) ${notices.name} notices, and sends ELECTION to all above it.`, act: () => { since = known.last; return order(notices, "begin"); }, until: () => elections(notices) },
    { say: `(b) ${names(middle)} answer OK.`, until: () => all(middle, (one) => sent(since, "OK", one.id, notices.id)) },
    { say: `(c) ${names(middle)} hold elections.`, until: () => all(middle, elections) },
    { say: `(d) ${winner.name} tells ${names(others)} that it takes over.`, until: () => all(others, (one) => sent(since, "OK", winner.id, one.id)) },
    { say: `${winner.name} sends COORDINATOR to all.`, until: () => (led() && leaders()[0].id === winner.id ? sent(since, "COORDINATOR", winner.id) : []) },
  ];
}

/** The leader is killed, whoever follows it is too, and both come back. */
function killing() {
  const dead = [];
  const killLeader = () => { dead.push(leaders()[0]); return kill(dead.at(-1)); };
  const another = () => led() && dead.every((node) => node.id !== leaders()[0].id);
  return [
    whole,
    { say: "The leader is killed; another one leads, the deputy if there is one.", act: killLeader, until: another },
    { say: "That one is killed as well; a third one leads.", act: killLeader, until: another },
    { say: "Both come back.", act: everybodyUp, until: () => nodes().every((node) => node.heard) && led() },
  ];
}

/** Two halves cannot hear each other, until they can. */
function partition() {
  const half = Math.ceil(nodes().length / 2);
  const ways = nodes().flatMap((a) => nodes().filter((b) => a.id < half !== b.id < half).map((b) => ({ from: a.id, to: b.id })));
  const cut = () => { showBlocked(ways); return send("api/v1/blocks", { blocked: ways }); };
  return [
    whole,
    { say: `${names(nodes().slice(0, half))} cannot hear the others; each part has its leader.`, act: cut, until: () => leaders().length === 2 },
    { say: "The connections are back; there is one leader.", act: everybodyUp, until: led },
  ];
}

async function run(play) {
  [playing, byId("steps").textContent] = [true, ""];
  for (const { say, act, until } of play()) {
    const item = make("li", byId("steps"), `${say} `);
    const word = make("span", item, "…", { class: "soft" });
    await act?.();
    let [left, found] = [LONGEST_STEP_MS, until()];
    while (left > 0 && (found === false || found.length === 0)) {
      await new Promise((wake) => { setTimeout(wake, LOOK_MS); });
      [left, found] = [left - LOOK_MS, until()];
    }
    const done = found === true || found.length > 0;
    [word.textContent, word.className] = done ? ["done", "good"] : ["did not come about", "bad"];
    if (!done) break;
    if (found !== true) {
      const button = make("button", item, "Show", { type: "button", class: "link" });
      button.addEventListener("click", () => choose(found[0], true));
    }
  }
  playing = false;
}

export function showPlays(now) {
  known = now;
  const box = byId("plays");
  if (box.children.length === 0) {
    const exam = ["exam", "bully"].includes(known.board.election) && nodes().length >= 4;
    const offered = [
      ...(exam ? [["The highest crashes, and one notices", figure]] : []),
      ["Kill the leader, twice", killing],
      ...(nodes().length > 1 ? [["Partition and merge", partition]] : []),
    ];
    for (const [text, play] of offered) {
      make("button", box, text, { type: "button" }).addEventListener("click", () => run(play));
    }
  }
  for (const button of box.children) button.disabled = playing;
}
