// Shows what the controller knows, again and again, and sends what a person wants. Texts stay texts.

import { byId, make, clock, send } from "./cards.js";
import { showNodes, tell, forget, watchOrders } from "./cards.js";
import { showDiagram, choose, nearest } from "./diagram.js";
import { showPlays } from "./plays.js";

const INTERVAL_MS = 300;
/** What the controller said last: the board, and all records since the page was opened. */
const known = { board: null, records: [], last: 0 };
let until = null;

function showPromises(promises) {
  const list = byId("promises");
  const text = JSON.stringify(promises);
  if (list.dataset.shown === text) return;
  list.dataset.shown = text;
  list.replaceChildren();
  for (const { name, assumes, holds, broken, at, why } of promises) {
    const item = make("li", list, "", { class: broken ? "bad" : "" });
    const word = broken ? (holds ? "was broken" : "broken") : holds ? "holds" : "not now";
    make("strong", item, word, { class: broken ? "bad" : holds ? "good" : "soft" });
    item.append(` ${name}. `);
    make("span", item, `Assumes: ${assumes}.`, { class: "soft" });
    if (why) item.append(` ${why}. `);
    if (broken) {
      const button = make("button", item, "Show how", { type: "button", class: "link" });
      button.addEventListener("click", () => choose(nearest(at), true));
    }
  }
}

function showTally({ counts, total, initiator, formula }) {
  const parts = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  byId("counts").textContent = parts.length ? `${parts.join(", ")}: ${total}` : "None.";
  const who = initiator === null ? "" : `${known.board.nodes[initiator].name} began. `;
  const said = formula ? `An election that nobody disturbs takes ${formula.total}: ${formula.text}.` : "";
  byId("formula").textContent = who + said;
}

function showSummary({ nodes }) {
  const leaders = nodes.filter((node) => node.leads).map((node) => node.name);
  const word = leaders.length > 1 ? "lead" : "leads";
  const summary = leaders.length === 0 ? "Nobody leads." : `${leaders.join(" and ")} ${word}.`;
  if (byId("summary").textContent !== summary) byId("summary").textContent = summary;
}

function showReplay(length) {
  byId("replay").hidden = false;
  byId("orders").hidden = true;
  byId("whole").hidden = true;
  const slider = byId("until");
  if (slider.max !== String(length)) [slider.max, slider.value] = [length, length];
  byId("until-text").textContent = `record ${until ?? length} of ${length}, ${clock(known.board.at_us)}`;
}

function take({ board, records, length }) {
  const gap = records.length > 0 && records[0].number > known.last + 1;
  if (gap || board.at < known.last) {
    [known.records, known.last] = [[], 0];
    forget();
  }
  const news = records.filter((record) => record.number > known.last);
  known.board = board;
  known.records.push(...news);
  known.last = board.at;
  byId("election").textContent = board.election;
  showNodes(board, length !== undefined);
  tell(board, news);
  showPromises(board.promises);
  showTally(board.tally);
  showSummary(board);
  showDiagram(board, known.records, news.length > 0 || gap);
  if (length === undefined) showPlays(known);
  else showReplay(length);
}

async function look() {
  const back = until !== null && until < known.last;
  const path = `api/v1/lab/after/${back ? 0 : known.last}${until === null ? "" : `/until/${until}`}`;
  try {
    take(await (await fetch(path)).json());
  } catch (error) {
    byId("summary").textContent = "The controller does not answer.";
    console.error(error);
  }
  setTimeout(look, INTERVAL_MS);
}

byId("begin").addEventListener("click", () => {
  const first = known.board?.nodes.find((node) => node.heard && node.state !== "paused");
  if (first) send(`api/v1/nodes/${first.id}/begin`);
});
byId("kill-leader").addEventListener("click", () => send("api/v1/leader/kill"));
byId("until").addEventListener("input", () => { until = Number(byId("until").value); });
watchOrders();
look();
