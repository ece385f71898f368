const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const [stage, target, grid, progress, said] = [".stage", ".target", ".grid", ".progress", ".said"].map(at);
const COLUMNS = ["name", "top1", "params", "macs", "latency", "pointing"];

at("header h2").textContent = words.heading;
at(".hint").textContent = words.hint;
at(".stage-name").textContent = words.stage;
at(".table h2").textContent = words.table;
at(".note").textContent = av.fill(words.note, props);
stage.replaceChildren(...props.stages.map((name) => av.node("option", { value: name, text: name })));
stage.value = props.stages.at(-2);
at(".target-name").textContent = words.target;
target.replaceChildren(av.node("option", { value: "", text: words.own }),
  ...props.classes.map((name, i) => av.node("option", { value: i, text: name })));

let asked = null; // what the rows are of
let running = false; // one comparison at a time: what is chosen meanwhile comes after it

/** The open network where it is none of the family: it is compared too, and knows other classes. */
const other = (model) => (props.table.some(({ id }) => id === model) ? null : model);

/** Ask for the rows of the picture, class and stage that are chosen, where the page shows others. */
function ask() {
  const { source, target, model } = av.get("state") ?? {};
  const wanted = JSON.stringify([source, target, stage.value, other(model)]);
  if (av.get("tab") !== "compare" || !source || av.get("busy") || running || wanted === asked) return;
  [asked, running] = [wanted, true];
  grid.replaceChildren();
  trigger("select", { source, target, model, stage: stage.value, asked });
}

function show() {
  const value = props.value;
  if (!value || value.asked !== asked) return;
  running = !value.said && value.done < value.of;
  said.hidden = !value.said;
  said.textContent = value.said ?? "";
  const busy = value.done < value.of;
  progress.hidden = !busy;
  if (busy) {
    const text = av.fill(words.progress, value);
    progress.style.setProperty("--share", `${(100 * value.done) / value.of}%`);
    progress.setAttribute("aria-valuemax", value.of);
    progress.setAttribute("aria-valuenow", value.done);
    progress.setAttribute("aria-label", text);
    progress.querySelector("span").textContent = text;
  }
  grid.replaceChildren(...value.rows.map(card));
  draw();
  tell(value.rows);
  ask();
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
  const rows = props.value?.rows ?? [];
  if (!av.get("picture") || !grid.clientWidth) return;
  const high = Math.max(...rows.map((row) => row.cam?.max ?? 0));
  [...grid.children].forEach((article, i) => {
    const { attention, cam } = rows[i];
    over(article.querySelector(".attention"), attention?.map, attention ? ends(rows, attention.role) : [0, 1], rows[i].box);
    over(article.querySelector(".cam"), silent(rows[i]) ? null : cam, [0, high], rows[i].box);
  });
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
function tell(rows = []) {
  const times = Object.fromEntries(rows.map((row) => [row.id, row.milliseconds]));
  const lines = [];
  let group = null;
  for (const row of [...props.table, ...rows.map(({ facts }) => facts).filter(Boolean)]) {
    if (row.group !== group) lines.push(av.node("tr", { class: "group" }, av.node("td", { colspan: COLUMNS.length, text: av.fill(words.group, row) })));
    group = row.group;
    lines.push(av.node("tr", { "data-id": row.id }, ...COLUMNS.map((name) => {
      if (name === "name") return av.node("td", { text: row.name });
      if (name === "latency") return av.node("td", { "data-name": name, text: times[row.id] ? `${av.short(times[row.id])} ms` : "–" });
      return av.node("td", { "data-name": name, "data-value": String(row[name]?.value ?? ""), text: row[name]?.text ?? "–" });
    })));
  }
  at("tbody").replaceChildren(...lines);
}

at("thead").replaceChildren(av.node("tr", {}, ...COLUMNS.map((name) => av.node("th", { scope: "col", text: words[name] }))));
tell();
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
watch("value", show);
av.follow(grid, draw);
for (const topic of ["picture", "view"]) av.on(topic, element, draw);
av.on("state", element, (state) => {
  target.disabled = !!other(state.model);
  target.value = target.disabled ? "" : state.target ?? "";
  ask();
});
show();
