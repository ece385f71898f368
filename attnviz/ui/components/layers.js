const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const LETTERS = ["A", "B"];
const [table, all] = [at("table"), at(".all")];

at("h2").textContent = words.heading;
at(".table").setAttribute("aria-label", words.heading);

let value = null;
let quantity = "macs"; // of two networks; one alone shows all of them
let open = new Set(); // the parts whose layers are shown

const toggle = av.choice(words.quantity, props.quantities.map((name) => [name, words[name]]), (name) => {
  quantity = name;
  draw();
});
toggle.mark(quantity);
at(".switch").append(toggle.element);

function receive() {
  const before = value;
  value = props.value;
  if (!value) return;
  const parts = value.groups.map(({ path }) => path);
  const names = value.names.map((name, i) => (value.names.length > 1 ? `${LETTERS[i]}: ${name}` : name));
  at(".hint").textContent = av.fill(words.hint, { names: names.join("; ") });
  if (!before) open = new Set(value.open ? [value.open] : []);
  open = new Set([...open].filter((path) => parts.includes(path)));
  draw();
}

/** The columns after the layer's name: [title, what a row has there]. */
function columns() {
  if (value.names.length === 1) return props.quantities.map((name) => [words[name], (row) => amount(row[name], 0)]);
  return [
    ...LETTERS.map((letter, i) => [letter, (row) => amount(row[quantity], i)]),
    [words.difference, (row) => change(row[quantity].difference)],
  ];
}

const facts = (name, { value: number, text }) => ({ class: number ? null : "zero", "data-name": name, "data-value": String(number), text });

function amount({ cells, shares }, i) {
  if (!cells[i]) return av.node("td", { class: "zero", text: words.none });
  const percent = shares[i] && shares[i] < 0.001 ? words.little : shares[i] ? `${(100 * shares[i]).toFixed(1)}%` : "";
  const bar = av.node("span", { class: shares[i] ? "share" : "share none", "aria-hidden": "true" }, av.node("i"));
  bar.style.setProperty("--share", `${100 * shares[i]}%`);
  return av.node("td", facts(`cell${i}`, cells[i]), bar, av.node("span", { class: "percent", text: percent }));
}

const change = (difference) => av.node("td", facts("difference", difference));

/** A layer's name: what it lies in is muted; a part with layers opens and closes. */
function title(row, part) {
  const cut = row.path.lastIndexOf(".") + 1;
  if (row.own) return [av.node("span", { class: "leaf note", text: words.own })];
  const tag = row.attention === "block" ? [av.node("span", { class: "tag", text: row.kind })] : [];
  if (/^\d+$/.test(row.path.slice(cut))) tag.push(av.node("span", { class: "note type", text: row.kind })); // where its column has no room
  if (!part) return [av.node("span", { class: "leaf", title: row.path }, av.node("span", { class: "prefix", text: row.path.slice(0, cut) }), row.path.slice(cut)), ...tag];
  if (!part.rows.length) return [av.node("span", { class: "leaf", text: row.path })];
  const button = av.node("button", { type: "button", class: "toggle", "aria-expanded": String(open.has(part.path)), text: row.path });
  button.addEventListener("click", () => turn([part.path], !open.has(part.path), part.path));
  return [button];
}

function line(row, part, cells, kind = "") {
  const name = av.node("th", { scope: "row" }, ...title(row, part));
  name.style.setProperty("--depth", row.depth);
  return av.node("tr", { class: `${kind} ${row.attention ?? ""}`.trim(), "data-path": row.path, "data-own": row.own },
    name, av.node("td", { class: "plain kind", text: row.own ? "" : row.kind }), av.node("td", { class: "plain", text: row.own ? "" : row.output }),
    ...cells.map(([, cell]) => cell(row)));
}

function draw() {
  if (!value) return;
  const two = value.names.length === 2;
  toggle.element.hidden = !two;
  const cells = columns();
  const head = (text, name = null) => av.node("th", { scope: "col", class: name, text });
  table.className = two ? "two" : "one";
  at("thead").replaceChildren(av.node("tr", {}, head(words.layer), head(words.kind, "plain kind"), head(words.output, "plain"), ...cells.map(([text]) => head(text))));
  const bodies = value.groups.map((part) => {
    const own = line(part.row, part, cells, "group");
    if (part.row.attention === "block") own.classList.remove("block"); // a part that is one block is marked within
    return av.node("tbody", { "data-part": part.path }, own, ...(open.has(part.path) ? part.rows.map((row) => line(row, null, cells)) : []));
  });
  const whole = { ...value.whole, path: words.whole };
  const foot = av.node("tbody", {}, line(whole, { rows: [] }, cells, "whole"));
  table.querySelectorAll("tbody").forEach((body) => body.remove());
  table.append(...bodies, foot);
  const inside = value.groups.filter(({ rows }) => rows.length).map(({ path }) => path);
  const full = inside.every((path) => open.has(path));
  all.hidden = !inside.length;
  all.textContent = full ? words.close : words.open;
  all.onclick = () => turn(inside, !full);
}

/** Open or close parts; the keyboard stays where it was. */
function turn(paths, shown, focus = null) {
  for (const path of paths) shown ? open.add(path) : open.delete(path);
  draw();
  if (focus) table.querySelector(`[data-part="${CSS.escape(focus)}"] .toggle`).focus();
}

watch("value", receive);
receive();
