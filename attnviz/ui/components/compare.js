const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const [stage, target, grid, progress, said] = [".stage", ".target", ".grid", ".progress", ".said"].map(at);
const COLUMNS = ["name", "top1", "params", "macs", "latency", "pointing"];

at(".stage-name").textContent = words.stage;
at(".table h2").textContent = words.table;
at(".note").textContent = av.fill(words.note, props);
stage.replaceChildren(...props.stages.map((name) => av.node("option", { value: name, text: name })));
stage.value = props.stages.at(-2);
at(".target-name").textContent = words.target;
target.replaceChildren(av.node("option", { value: "", text: words.own }),
  ...props.classes.map((name, i) => av.node("option", { value: i, text: name })));

let about = null; // the picture, class and stage that the rows are of
const rows = new Map(); // by network: one that is switched off and on again is not asked for again
let label = null; // of the class that is explained, where another network than the family's is open
let asked = null; // what was asked for last
let running = false; // one comparison at a time: what is chosen meanwhile comes after it
let count = 0; // an answer that is told twice is heard once, so each request has its number

const chosen = () => av.get("compared") ?? [];
const ready = () => chosen().filter(({ id }) => rows.has(id)).map(({ id, name }) => ({ ...rows.get(id), name }));

/** The open network where it is none of the family: it is compared too, and knows other classes. */
const other = (model) => (props.table.some(({ id }) => id === model) ? null : model);

/** Ask for the rows of the picture, class and stage that are chosen, where the page has them not. */
function ask() {
  const { source, target, model } = av.get("state") ?? {};
  if (av.get("tab") !== "compare" || !source || av.get("busy")) return;
  const wanted = JSON.stringify([source, target, stage.value, target === null ? null : other(model)]);
  if (wanted !== about) {
    about = wanted;
    rows.clear();
    label = null;
    list();
  }
  if (running) return;
  const models = chosen().map(({ id }) => id).filter((id) => !rows.has(id));
  const name = JSON.stringify([about, models]);
  if (!models.length) said.hidden = true;
  else if (name !== asked?.name) {
    count += 1;
    [asked, running] = [{ name, about, number: `${count}` }, true];
    trigger("select", { source, target, model, models, stage: stage.value, asked: asked.number });
  }
}

function show() {
  const value = props.value;
  if (!value || value.asked !== asked?.number) return;
  running = !value.said && value.done < value.of;
  said.hidden = !value.said;
  said.textContent = value.said ?? "";
  if (asked.about === about) { // else they are of the photo before
    for (const row of value.rows) rows.set(row.id, row);
    label = value.label ?? null;
  }
  progress.hidden = !running;
  if (running) {
    const text = av.fill(words.progress, value);
    progress.style.setProperty("--share", `${(100 * value.done) / value.of}%`);
    progress.setAttribute("aria-valuemax", value.of);
    progress.setAttribute("aria-valuenow", value.done);
    progress.setAttribute("aria-label", text);
    progress.querySelector("span").textContent = text;
  } else if (value.lost?.length) {
    av.put("notice", value.lost.map((each) => each.said).join(" "));
    av.put("lost", value.lost.map(({ id }) => id));
  }
  list();
  ask();
}

/** The networks that are chosen and ready, as cards and in the table. */
function list() {
  const now = ready();
  grid.replaceChildren(...(chosen().length ? now.map(card) : [av.node("p", { class: "av-card empty", text: words.empty })]));
  target.options[0].text = (target.disabled && label) || words.own;
  draw();
  tell(now);
}

function card(row) {
  const side = (name, caption) => av.node("figure", { class: name },
    av.node("canvas", { class: "map", role: "img" }),
    av.node("div", { class: "scale" }, av.node("output", { class: "low" }), av.node("canvas", { class: "bar", "aria-hidden": "true" }), av.node("output", { class: "high" })),
    av.node("figcaption", { text: caption }));
  const open = av.node("button", { type: "button", class: "open", title: words.open, text: row.name });
  open.addEventListener("click", () => {
    const layer = row.attention?.layer ?? null;
    const fresh = { part: null, query: null, channel: null, method: "grad_cam", against: null };
    av.put("wish", { model: row.id, layer, ...fresh });
    av.go("inspect");
  });
  return av.node("article", { class: "av-card model", "data-id": row.id },
    av.node("h3", {}, open,
      av.node("b", { "data-value": String(row.prediction.value), text: `${row.prediction.label} ${row.prediction.percent}` })),
    av.node("div", { class: "pair" },
      side("attention", row.attention ? `${row.attention.title} · ${row.attention.layer}` : words.none),
      side("cam", av.fill(silent(row) ? words.silent : words.cam, { label: row.class }))));
}

/** Whether nothing speaks for the class: then there is nothing to draw. */
const silent = (row) => row.cam !== null && row.cam.max <= 0;

/** The ends of every network's maps of one role, for one scale: gates from 0 to 1. */
function ends(rows, role) {
  if (role === "gate") return [0, 1];
  const maps = rows.filter((row) => row.attention?.role === role).map((row) => row.attention.map);
  return [Math.min(...maps.map(({ min }) => min)), Math.max(...maps.map(({ max }) => max))];
}

function draw() {
  const now = ready();
  if (!av.get("picture") || !grid.clientWidth) return;
  const high = Math.max(...now.map((row) => row.cam?.max ?? 0));
  for (const row of now) {
    const article = grid.querySelector(`[data-id="${CSS.escape(row.id)}"]`);
    const { attention, cam, box } = row;
    over(article.querySelector(".attention"), attention?.map, attention ? ends(now, attention.role) : [0, 1], box);
    over(article.querySelector(".cam"), silent(row) ? null : cam, [0, high], box);
  }
}

function over(figure, packed, [low, high], box) {
  const canvas = figure.querySelector(".map");
  const scale = av.scaled(low, high);
  av.over(canvas, av.unpack(packed), scale, { box });
  figure.querySelector(".scale").hidden = !packed;
  if (packed) av.bar(figure.querySelector(".bar"), scale.lut);
  for (const [name, value] of Object.entries({ low: scale.low, high: scale.high })) figure.querySelector(`.${name}`).textContent = av.short(value);
  Object.assign(canvas.dataset, { low, high });
  const text = figure.querySelector("figcaption").textContent;
  canvas.setAttribute("aria-label", `${text}, ${av.short(low)} – ${av.short(high)}`);
}

/** The table: from the cards, and the time of a pass on this machine where it is known. */
function tell(now) {
  const times = Object.fromEntries(now.map((row) => [row.id, row.milliseconds]));
  const facts = Object.fromEntries([...props.table, ...now.map((row) => row.facts).filter(Boolean)].map((row) => [row.id, row]));
  const groups = new Map(); // what was trained alike stands together
  for (const { id, name } of chosen()) {
    if (!facts[id]) continue;
    const { group } = facts[id];
    groups.set(group, [...(groups.get(group) ?? []), { ...facts[id], name }]);
  }
  const line = (row) => av.node("tr", { "data-id": row.id }, ...COLUMNS.map((name) => {
    if (name === "name") return av.node("td", { text: row.name });
    if (name === "latency") return av.node("td", { "data-name": name, text: times[row.id] ? `${av.short(times[row.id])} ms` : "–" });
    return av.node("td", { "data-name": name, "data-value": String(row[name]?.value ?? ""), text: row[name]?.text ?? "–" });
  }));
  at("tbody").replaceChildren(...[...groups].flatMap(([group, alike]) => [
    av.node("tr", { class: "group" }, av.node("td", { colspan: COLUMNS.length, text: av.fill(words.group, { group }) })),
    ...alike.map(line),
  ]));
  at(".table").hidden = !chosen().length;
}

at("thead").replaceChildren(av.node("tr", {}, ...COLUMNS.map((name) => av.node("th", { scope: "col", text: words[name] }))));
stage.addEventListener("change", () => av.put("stage", stage.value));
target.addEventListener("change", () => av.put("wish", { target: target.value === "" ? null : Number(target.value), against: null }));
av.on("stage", element, (name) => {
  stage.value = name;
  ask();
});
av.on("tab", element, () => {
  if (!said.hidden) asked = null; // another try
  ask();
});
av.on("busy", element, ask);
av.on("compared", element, () => {
  list();
  ask();
});
watch("value", show);
av.follow(grid, draw);
for (const topic of ["picture", "view"]) av.on(topic, element, draw);
av.on("state", element, (state) => {
  target.disabled = !!other(state.model);
  target.value = target.disabled ? "" : state.target ?? "";
  ask();
});
list();
show();
