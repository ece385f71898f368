const av = window.attnviz;
const { words, side } = props;
const at = (selector) => element.querySelector(selector);
const [frame, canvas, bar, readout, figure] = [".frame", ".picture", ".bar", ".value", "figure"].map(at);
const GUTTER = 22; // beside the picture, where a coordinate attention's strips lie

let source = null; // the value, unpacked
let channel = null; // the chosen channel of a volume or of strips
const asking = av.asking(() => refresh()); // an affinity's query
let shown = null; // what is drawn: {map, low, high, lut}
let box = [0, 0, 1, 1]; // where the network's region of the picture lies on the canvas

function receive() {
  const value = props.value;
  if (!value) return;
  source = { ...value };
  for (const name of ["map", "volume", "h", "w"]) source[name] = av.unpack(value[name]);
  source.affinity = value.affinity && {
    ...value.affinity, theta: av.unpack(value.affinity.theta), phi: av.unpack(value.affinity.phi),
  };
  channel = value.channel ?? null;
  if (side === "attention") {
    av.put("gate", source.role === "gate");
    av.put("shareable", !source.affinity);
    av.put("gutter", source.h ? GUTTER : 0);
    asking.open(source.affinity ?? null, source.layer, value.affinity?.theta.data);
    asking.settle(av.get("row"));
    const { query, grid } = value;
    av.put("place", query ? { u: (query[1] + 0.5) / grid[1], v: (query[0] + 0.5) / grid[0] } : null);
  }
  start();
  arrange();
}

/** Until a person moves it, the cursor is at the chosen place, or without one where Grad-CAM is strongest. */
function start() {
  if (av.get("cursor")?.moved) return;
  if (av.get("place")) return av.put("cursor", av.get("place"));
  if (side === "attention" || !source.map) return;
  const { data, shape: [h, w] } = source.map;
  const peak = data.indexOf(Math.max(...data));
  av.put("cursor", { u: ((peak % w) + 0.5) / w, v: (Math.floor(peak / w) + 0.5) / h });
}

const cellAt = ({ u, v }, [rows, columns]) => [av.cell(v, rows), av.cell(u, columns)];

/** What is drawn now, as {data, h, w}. */
function current() {
  const grid = ({ data, shape }) => ({ data, h: shape[0], w: shape[1] });
  if (source.affinity) return asking.now.query && grid(asking.now.query.row);
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
let scene = null; // all but the cursor, kept so that a moving pointer costs one copy
let ground = null; // the picture at the canvas's own size
function draw(now = place) {
  place = now;
  if (!place) return;
  const { picture, gutter, width, height } = place;
  scene ??= new OffscreenCanvas(1, 1);
  const pen = av.context(scene, width + gutter, height + gutter);
  if (ground?.picture !== picture || ground.width !== width || ground.ratio !== av.ratio()) {
    const sheet = new OffscreenCanvas(1, 1);
    const own = av.context(sheet, width, height);
    own.imageSmoothingQuality = "high";
    own.drawImage(picture.large, 0, 0, width, height);
    ground = { picture, width, ratio: av.ratio(), sheet };
  }
  pen.drawImage(ground.sheet, gutter, 0, width, height);
  const map = source.empty ? null : current();
  shown = map && measure(map);
  if (shown && !source.silent) av.overlay(pen, map, box, shown);
  if (shown && source.h) shown.strips = av.strips(pen, box, source, channel, shown, GUTTER - 6);
  if (source.scored && source.region) av.outline(pen, box, source.region, source.scored);
  const { query } = asking.now;
  delete figure.dataset.links;
  if (query && source.affinity) {
    figure.dataset.links = av.links(pen, box, query.cell, source.affinity.queries, query.row).join(" ");
    av.ring(pen, box, query.cell, source.affinity.queries);
  }
  mark();
}

/** The cursor, over what is drawn. */
function mark() {
  const { gutter, width, height } = place;
  const pen = av.context(canvas, width + gutter, height + gutter);
  pen.drawImage(scene, 0, 0, width + gutter, height + gutter);
  const cursor = av.get("cursor");
  if (cursor && shown) av.cross(pen, box, cursor);
}

/** The words and numbers around the canvas. */
function describe() {
  const title = channel === null ? source.title : av.fill(words.channel, { title: source.title, channel });
  at("h2").textContent = title;
  at(".caption").textContent = source.caption ?? "";
  const [from, to] = shown?.strips ?? [];
  const ends = shown?.strips ? ` ${av.fill(words.ends, { low: av.short(from), high: av.short(to) })}` : "";
  const hold = source.affinity ? ` ${asking.now.pinned ? words.pinned : words.follows}` : "";
  at(".note").textContent = source.empty ?? source.note + ends + hold;
  figure.dataset.pinned = String(asking.now.pinned);
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
  const hint = source.affinity ? words.query_hint : source.scored ? words.score_hint : words.hint;
  canvas.setAttribute("aria-label", `${av.fill(words.label, { title, rows: map.h, columns: map.w })} ${hint}.`);
  read();
}

/** The value under the cursor, as the map has it. */
function read() {
  const cursor = av.get("cursor");
  if (!cursor || !shown) return;
  const [{ map }, { query }] = [shown, asking.now];
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
  if (side === "cam") return score(cursor);
  const grid = source?.affinity?.queries ?? source?.grid;
  if (!grid) return;
  const cell = cellAt(cursor, grid);
  if (asking.pinnedAt(cell)) asking.release();
  else if (av.send(trigger, { query: cell }) && source.affinity) asking.pin(cell);
}

/** Choose the place whose scores are explained, where a network scores every place. */
function score(cursor) {
  if (!source?.scored) return;
  const [row, column] = cellAt(cursor, source.scored);
  av.send(trigger, { region: [row, column, row + 1, column + 1] });
}

function look(cursor) {
  if (source?.affinity) asking.look(cellAt(cursor, source.affinity.queries));
}

/** Where the keyboard starts: at the cursor, or at the ring while nobody has moved the cursor. */
function from() {
  const [cursor, { query }] = [av.get("cursor") ?? { u: 0.5, v: 0.5 }, asking.now];
  if (cursor.moved || !query) return cursor;
  const [rows, columns] = source.affinity.queries;
  return { u: (query.cell[1] + 0.5) / columns, v: (query.cell[0] + 0.5) / rows };
}

function step(event) {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (event.key === "Escape" && asking.now.pinned) asking.release();
  else if ((event.key === "Enter" || event.key === " ") && (side === "attention" || source?.scored)) pin(from());
  else if (!(event.key in moves) || !(shown || source?.scored)) return;
  else {
    const free = source.affinity && !asking.now.pinned;
    const [rows, columns] = free ? source.affinity.queries : shown ? [shown.map.h, shown.map.w] : source.scored;
    const move = (value, n, by) => (Math.min(Math.max(av.cell(value, n) + by, 0), n - 1) + 0.5) / n;
    const [[x, y], { u, v }] = [moves[event.key], from()];
    const next = { u: move(u, columns, x), v: move(v, rows, y), moved: true };
    av.put("cursor", next);
    look(next);
  }
  event.preventDefault();
}

canvas.addEventListener("pointermove", (event) => {
  av.put("cursor", point(event));
  look(point(event));
});
canvas.addEventListener("pointerleave", asking.leave);
canvas.addEventListener("blur", asking.leave);
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
  if (!source || !scene) return;
  mark();
  read();
});
if (side === "attention") {
  av.on("row", element, asking.settle);
  av.on("busy", element, (busy) => busy || asking.rest());
  av.on("channel", element, ({ layer, part, index }) => {
    if (!source || layer !== source.layer || part !== source.part || !(source.volume || source.h)) return;
    channel = index;
    refresh();
  });
}
receive();
