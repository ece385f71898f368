const av = window.attnviz;
const { words, side } = props;
const at = (selector) => element.querySelector(selector);
const [frame, canvas, bar, readout, figure] = [".frame", ".picture", ".bar", ".value", "figure"].map(at);
const GUTTER = 22; // beside the picture, where a coordinate attention's strips lie

let source = null; // the value, unpacked
let channel = null; // the chosen channel of a volume or of strips
let query = null; // the query of an affinity that is drawn, {cell, row, exact}
let settled = null; // the query whose row the server has sent
let pinned = false; // whether the pointer and the arrow keys leave the query where it is
let shown = null; // what is drawn: {map, low, high, lut}
let box = [0, 0, 1, 1]; // where the network's region of the picture lies on the canvas

function receive() {
  const value = props.value;
  if (!value) return;
  pinned &&= value.layer === source?.layer;
  source = { ...value };
  for (const name of ["map", "volume", "h", "w"]) source[name] = av.unpack(value[name]);
  source.affinity = value.affinity && {
    ...value.affinity, theta: av.unpack(value.affinity.theta), phi: av.unpack(value.affinity.phi),
  };
  [channel, query, settled] = [value.channel ?? null, null, null];
  if (side === "attention") {
    av.put("gate", source.role === "gate");
    av.put("gutter", source.h ? GUTTER : 0);
    if (source.affinity) takeRow(av.get("row"));
  } else start();
  arrange();
}

/** The cursor starts where Grad-CAM is strongest, until a person moves it. */
function start() {
  if (!source.map || av.get("cursor")?.moved) return;
  const { data, shape: [h, w] } = source.map;
  const peak = data.indexOf(Math.max(...data));
  av.put("cursor", { u: ((peak % w) + 0.5) / w, v: (Math.floor(peak / w) + 0.5) / h });
}

/** The row that the server sent, as float32 from the record. */
function takeRow(row) {
  if (!source?.affinity || row?.layer !== source.layer) return;
  settled = { cell: row.query, row: row.map, exact: true };
  if (!pinned || !query || same(query.cell, settled.cell)) ask(settled); // a later click waits for its own answer
}

/** Draw another query's row, here and in the panel of its facts. */
function ask(next) {
  query = next;
  av.put("reading", { ...next, layer: source.layer });
}

const same = (a, b) => a && b && a[0] === b[0] && a[1] === b[1];
const cellAt = ({ u, v }, [rows, columns]) => [av.cell(v, rows), av.cell(u, columns)];

/** A query's row: the server's where it is that one, else computed here from the factors. */
const rowOf = (cell) => (same(cell, settled?.cell) ? settled : { cell, row: av.row(source.affinity, cell), exact: false });

/** The query follows the pointer or the arrow keys, until one is pinned. */
function look(cursor) {
  if (!source?.affinity || pinned) return;
  const cell = cellAt(cursor, source.affinity.queries);
  if (same(cell, query?.cell)) return;
  ask(rowOf(cell));
  refresh();
}

/** Nobody points any more: back to the query that all panels show. */
function leave() {
  if (!source?.affinity || pinned || !settled || query === settled) return;
  ask(settled);
  refresh();
}

function release() {
  if (!pinned) return;
  pinned = false;
  describe();
}

/** What is drawn now, as {data, h, w}. */
function current() {
  const grid = ({ data, shape }) => ({ data, h: shape[0], w: shape[1] });
  if (source.affinity) return query && grid(query.row);
  if (source.volume && channel !== null) {
    const [, h, w] = source.volume.shape;
    return { data: source.volume.data.subarray(channel * h * w, (channel + 1) * h * w), h, w };
  }
  if (source.h) return av.product(source.h, source.w, channel);
  return source.map && grid(source.map);
}

function measure(map) {
  const view = av.view();
  let low = Infinity, high = -Infinity;
  for (const value of map.data) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const fixed = source.role === "gate" && view.scale === "absolute";
  if (view.scale === "shared" && source.shared && channel === null) [low, high] = source.shared;
  if (source.role === "evidence") low = 0;
  else if (fixed) [low, high] = [0, 1];
  return { map, fixed, ...av.scaled(low, high) };
}

/** The canvas's size: the picture's own aspect, as wide as there is room, never taller than the window bears. */
function arrange() {
  const picture = av.get("picture");
  if (!source || !picture || !frame.clientWidth) return;
  const gutter = av.get("gutter") ?? 0;
  const tallest = Math.max(280, Math.min(0.72 * window.innerHeight, 700));
  const scale = Math.min((frame.clientWidth - gutter) / picture.width, tallest / picture.height);
  const [width, height] = [Math.round(picture.width * scale), Math.round(picture.height * scale)];
  canvas.style.width = `${width + gutter}px`;
  canvas.style.height = `${height + gutter}px`;
  const [left, top, right, bottom] = picture.box;
  box = [gutter + left * width, top * height, (right - left) * width, (bottom - top) * height];
  draw({ picture, gutter, width, height });
  describe();
}

let place = null;
let base = null; // all but the cursor, kept so that a moving pointer costs nothing
function draw(now = place) {
  place = now;
  if (!place) return;
  const { picture, gutter, width, height } = place;
  const pen = av.context(canvas, width + gutter, height + gutter);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(picture.large, gutter, 0, width, height);
  const map = source.empty ? null : current();
  shown = map && measure(map);
  if (shown && !source.silent) av.overlay(pen, map, box, shown);
  if (shown && source.h) shown.strips = av.strips(pen, box, source, channel, shown, GUTTER - 6);
  if (query && map) {
    figure.dataset.links = av.links(pen, box, query.cell, source.affinity.queries, query.row).join(" ");
    av.ring(pen, box, query.cell, source.affinity.queries);
  }
  base = new OffscreenCanvas(canvas.width, canvas.height);
  base.getContext("2d").drawImage(canvas, 0, 0);
  mark();
}

/** The cursor, over what is drawn. */
function mark() {
  const cursor = av.get("cursor");
  if (!cursor || !shown) return;
  const pen = canvas.getContext("2d");
  pen.save();
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.drawImage(base, 0, 0);
  pen.restore();
  av.cross(pen, box, cursor);
}

/** The words and numbers around the canvas. */
function describe() {
  const title = channel === null ? source.title : av.fill(words.channel, { title: source.title, channel });
  at("h2").textContent = title;
  at(".caption").textContent = source.caption ?? "";
  const [from, to] = shown?.strips ?? [];
  const ends = shown?.strips ? ` ${av.fill(words.ends, { low: av.short(from), high: av.short(to) })}` : "";
  const hold = source.affinity ? ` ${pinned ? words.pinned : words.follows}` : "";
  at(".note").textContent = source.empty ?? source.note + ends + hold;
  figure.dataset.pinned = String(pinned);
  figure.classList.toggle("empty", !!source.empty);
  figure.classList.toggle("silent", !!source.silent);
  figure.dataset.layer = source.layer ?? "";
  if (!shown) return;
  const { low, high, lut, map } = shown;
  for (const [name, value] of [["low", low], ["high", high]]) {
    at(`.${name}`).textContent = av.short(value);
    at(`.${name}`).dataset.value = String(value);
  }
  av.bar(bar, lut);
  bar.setAttribute("aria-label", av.fill(words.bar, { low: av.short(low), high: av.short(high) }));
  const hint = source.affinity ? words.query_hint : words.hint;
  canvas.setAttribute("aria-label", `${av.fill(words.label, { title, rows: map.h, columns: map.w })} ${hint}.`);
  read();
}

/** The value under the cursor, as the map has it. */
function read() {
  const cursor = av.get("cursor");
  if (!cursor || !shown) return;
  const { map } = shown;
  const [row, column] = [av.cell(cursor.v, map.h), av.cell(cursor.u, map.w)];
  const value = map.data[row * map.w + column];
  const places = { row, column, qrow: query?.cell[0], qcolumn: query?.cell[1] };
  let text = av.fill(source.affinity ? words.from : words.at, places);
  if (source.h && channel !== null) {
    const [h, w] = [source.h.data[channel * map.h + row], source.w.data[channel * map.w + column]];
    text += ` ${av.fill(words.strips, { h: av.short(h), w: av.short(w) })}`;
  }
  at(".at").textContent = text;
  readout.textContent = av.short(value);
  Object.assign(readout.dataset, { value: String(value), row, column, exact: String(query?.exact ?? true) });
}

function refresh() {
  if (!source) return;
  draw();
  describe();
}

function point(event) {
  const bounds = canvas.getBoundingClientRect();
  const scale = bounds.width / canvas.clientWidth; // a lecture's zoom
  const inside = (n) => Math.min(Math.max(n, 0), 0.999999);
  return {
    u: inside(((event.clientX - bounds.left) / scale - box[0]) / box[2]),
    v: inside(((event.clientY - bounds.top) / scale - box[1]) / box[3]),
    moved: true,
  };
}

/** Choose a place: the query of an affinity (the pinned one again: let it go), and where a formula is filled in. */
function pin(cursor) {
  const grid = source?.affinity?.queries ?? source?.grid;
  if (!grid) return;
  const cell = cellAt(cursor, grid);
  if (source.affinity) {
    if (pinned && same(cell, query?.cell)) return release();
    pinned = true;
    ask(rowOf(cell));
    refresh();
  }
  av.send(trigger, { query: cell });
}

function step(event) {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const cursor = av.get("cursor") ?? { u: 0.5, v: 0.5 };
  if (event.key === "Escape" && pinned) release();
  else if ((event.key === "Enter" || event.key === " ") && side === "attention") pin(cursor);
  else if (!(event.key in moves) || !shown) return;
  else {
    const [rows, columns] = source.affinity && !pinned ? source.affinity.queries : [shown.map.h, shown.map.w];
    const move = (value, n, by) => (Math.min(Math.max(av.cell(value, n) + by, 0), n - 1) + 0.5) / n;
    const [x, y] = moves[event.key];
    const next = { u: move(cursor.u, columns, x), v: move(cursor.v, rows, y), moved: true };
    av.put("cursor", next);
    look(next);
  }
  event.preventDefault();
}

canvas.addEventListener("pointermove", (event) => {
  av.put("cursor", point(event));
  look(point(event));
});
canvas.addEventListener("pointerleave", leave);
canvas.addEventListener("blur", leave);
canvas.addEventListener("click", (event) => {
  av.put("cursor", point(event));
  pin(point(event));
});
canvas.addEventListener("keydown", step);
watch("value", receive);
av.follow(frame, arrange);
window.addEventListener("resize", () => element.isConnected && arrange());
av.on("picture", element, () => {
  if (side === "cam" && source) start();
  arrange();
});
av.on("gutter", element, arrange);
av.on("view", element, refresh);
av.on("cursor", element, () => {
  if (!source || !base) return;
  mark();
  read();
});
if (side === "attention") {
  av.on("row", element, (row) => {
    takeRow(row);
    refresh();
  });
  av.on("channel", element, ({ layer, part, index }) => {
    if (!source || layer !== source.layer || part !== source.part || !(source.volume || source.h)) return;
    channel = index;
    refresh();
  });
}
receive();
