const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const [first, second, side, progress, said, time, csv] = [".first", ".second", ".side", ".progress", ".said", ".time", ".csv"].map(at);

at("h2").textContent = words.heading;
at(".note").textContent = av.fill(words.note, props);
at(".table").setAttribute("aria-label", words.heading);
for (const name of ["hint", "first-name", "second-name", "side-name", "time", "csv"]) at(`.${name}`).textContent = words[name];
const options = props.choices.map(({ id, name }) => [id, name]);
const fill = (select, choices) => select.append(...choices.map(([value, text]) => av.node("option", { value, text })));
fill(first, options);
fill(second, [["", words.alone], ...options]);
fill(side, props.sides.map((n) => [n, `${n} × ${n}`]));
[first.value, second.value] = props.pair;
side.value = props.side;

let asked = null; // what is shown, or on its way
let running = false; // one request at a time: what is chosen meanwhile comes after it
let wanted = false; // whether the passes of what is shown are to be timed
let table = null; // the answer that is shown
let times = [];
let count = 0; // an answer that is told twice is heard once, so each request has its number

const chosen = () => [first.value, second.value].filter(Boolean);

/** Ask for the networks that are chosen, where the page shows others. */
function ask() {
  const request = { models: chosen(), side: Number(side.value) };
  const name = JSON.stringify(request);
  if (av.get("tab") !== "models" || running || (name === asked?.name && !wanted)) return;
  count += 1;
  const timed = wanted && name === asked?.name;
  [asked, running, wanted] = [{ name, number: `${count}` }, true, false];
  busy();
  trigger("select", { ...request, timed, asked: asked.number });
}

function busy() {
  time.disabled = csv.disabled = running || !table;
}

function show() {
  const value = props.value;
  if (!value || value.asked !== asked?.number) return;
  running = Boolean(value.progress);
  said.hidden = !value.said;
  said.textContent = value.said ?? "";
  progress.hidden = !value.progress;
  if (value.progress) {
    const { text, share } = value.progress;
    progress.style.setProperty("--share", `${100 * share}%`);
    progress.setAttribute("aria-valuenow", Math.round(100 * share));
    progress.setAttribute("aria-label", text);
    progress.querySelector("span").textContent = text;
  }
  if (value.totals) [table, times] = [value, []];
  if (value.latency) times = value.latency;
  busy();
  tell();
  if (!running) ask();
}

/** The totals: a line a quantity, a column a network, and the difference of two. */
function tell() {
  if (!table) return;
  const two = table.names.length === 2;
  const cell = (name, { value, text }, small) => av.node("td", { "data-name": name, "data-value": String(value), text },
    ...(small ? [av.node("small", { text: small })] : []));
  at("thead").replaceChildren(av.node("tr", {}, av.node("td"),
    ...(two ? ["A", "B", words.difference] : table.names).map((text) => av.node("th", { scope: "col", text }))));
  const lines = table.totals.map(({ name, cells, difference }) => av.node("tr", { "data-row": name },
    av.node("th", { scope: "row", text: words[name] }), ...cells.map((each) => cell(name, each)),
    ...(difference ? [cell("difference", difference, difference.part)] : [])));
  if (times.length) {
    const [before, after] = times.map(({ value }) => value);
    const less = { value: after - before, text: `${after > before ? "+" : ""}${av.short(after - before)} ms` };
    lines.push(av.node("tr", { "data-row": "latency" }, av.node("th", { scope: "row" }, words.latency, av.node("small", { text: av.fill(words.median, props) })),
      ...times.map((each) => cell("latency", each, each.spread)),
      ...(two ? [cell("difference", less)] : [])));
  }
  at("tbody").replaceChildren(...lines);
}

for (const select of [first, second]) select.addEventListener("change", () => av.put("networks", chosen().join(",")));
side.addEventListener("change", () => av.put("input", side.value));
time.addEventListener("click", () => {
  wanted = true;
  ask();
});
csv.addEventListener("click", () => av.keep(table.file));
av.on("input", element, (text) => {
  side.value = text;
  ask();
});
av.on("networks", element, (text) => {
  [first.value, second.value] = [...text.split(","), ""];
  ask();
});
av.on("tab", element, () => {
  if (!said.hidden) asked = null; // another try
  ask();
});
watch("value", show);
busy();
