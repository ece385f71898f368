const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const [card, canvas, readout] = [at("section"), at("canvas"), at(".value")];
const [LEFT, TOP, BOTTOM, HEIGHT] = [34, 8, 18, 190];
const [ENDS, BINS] = [10, 40]; // how many bars at either end; how many bins
const MODES = ["order", "sorted", "ends", "histogram"];

let values = null; // Float32Array
let order = []; // channel at each place; null is a gap
let ranks = []; // place of each channel among the sorted
let mode = "order";
let bins = null; // of the histogram: {counts, low, high}
let bin = 0; // the bin that is read out
let pointed = 0; // the channel that is read out
let chosen = null; // the channel whose map is shown

const toggle = av.choice(words.ordering, MODES.map((name) => [name, words[name]]), arrange);
at(".orders").append(toggle.element);
at(".mean").textContent = words.mean;
at(".mean").addEventListener("click", () => choose(null));

function receive() {
  const value = props.value;
  card.hidden = !value;
  if (!value) return;
  values = av.unpack(value.values).data;
  const falling = Array.from(values.keys()).sort((a, b) => values[b] - values[a] || a - b);
  ranks = new Array(values.length);
  falling.forEach((channel, rank) => { ranks[channel] = rank; });
  [pointed, chosen] = [value.channel ?? falling[0], value.channel ?? null];
  at("h2").textContent = value.title;
  at(".caption").textContent = value.caption;
  at(".words").textContent = value.words + (value.maps ? ` ${words.choose}` : "");
  canvas.setAttribute("aria-label", av.fill(words.label, { title: value.title, count: values.length }));
  bins = count();
  bin = bins.counts.indexOf(Math.max(...bins.counts));
  arrange(mode);
}

function arrange(next) {
  mode = next;
  order = Array.from(values.keys());
  if (mode !== "order") order.sort((a, b) => ranks[a] - ranks[b]);
  if (mode === "ends" && order.length > 2 * ENDS) order = [...order.slice(0, ENDS), null, ...order.slice(-ENDS)];
  toggle.mark(mode);
  draw();
  read();
}

/** How many channels lie where, along the axis. */
function count() {
  const [low, high] = axis();
  const counts = new Array(BINS).fill(0);
  for (const value of values) counts[av.cell((value - low) / (high - low), BINS)] += 1;
  return { counts, low, high };
}

/** The ends of the vertical axis: 0 to 1 for gates, else from zero to the values' ends. */
function axis() {
  if (props.value.role === "gate") return [0, 1];
  let [low, high] = [0, 0];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return [low, high > low ? high : low + 1];
}

function draw() {
  const width = card.clientWidth && canvas.clientWidth;
  if (!values || !width) return;
  const pen = av.context(canvas, width, HEIGHT);
  if (mode === "histogram") return histogram(pen, width);
  const [low, high] = axis();
  const y = (value) => TOP + ((high - value) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  pen.font = "11px system-ui, sans-serif";
  [pen.textAlign, pen.textBaseline] = ["right", "middle"];
  for (const level of props.value.role === "gate" ? [0, 0.5, 1] : [low, 0, high]) {
    pen.fillStyle = av.color(element, "second");
    pen.fillText(av.level(level), LEFT - 6, y(level));
    pen.fillStyle = av.color(element, "line");
    pen.fillRect(LEFT, Math.round(y(level)), width - LEFT, 1);
  }
  const step = (width - LEFT) / order.length;
  const thick = step > 3 ? step - 1 : step;
  const bar = (place, color, wide = thick) => {
    const value = values[order[place]];
    const [top, bottom] = [Math.min(y(value), y(0)), Math.max(y(value), y(0))];
    pen.fillStyle = color;
    pen.fillRect(LEFT + place * step, top, wide, Math.max(bottom - top, 1));
  };
  const plain = av.color(element, "bar");
  for (let place = 0; place < order.length; place++) if (order[place] !== null) bar(place, plain);
  for (const channel of new Set([pointed, chosen])) {
    if (channel !== null && order.includes(channel)) bar(order.indexOf(channel), av.color(element, "accent"), Math.max(thick, 2));
  }
  if (step < 18) return;
  pen.fillStyle = av.color(element, "second");
  [pen.textAlign, pen.textBaseline] = ["center", "bottom"];
  order.forEach((channel, place) => pen.fillText(channel ?? "…", LEFT + (place + 0.5) * step, HEIGHT));
}

function histogram(pen, width) {
  av.histogram(pen, element, bins, [LEFT, TOP, width - LEFT, HEIGHT - TOP - BOTTOM], bin);
  [pen.textAlign, pen.textBaseline] = ["right", "top"];
  pen.fillText(Math.max(...bins.counts), LEFT - 6, TOP);
}

function read() {
  if (mode === "histogram") {
    const { counts, low, high } = bins;
    const end = (i) => av.short(low + ((high - low) * i) / BINS);
    at(".which").textContent = av.fill(words.bin, { low: end(bin), high: end(bin + 1) });
    readout.textContent = counts[bin];
    Object.assign(readout.dataset, { value: String(counts[bin]), channel: "" });
    at(".rank").textContent = av.fill(words.of, { count: values.length });
    at(".mean").hidden = true;
    return;
  }
  const value = values[pointed];
  at(".which").textContent = av.fill(words.reading, { channel: pointed });
  readout.textContent = av.short(value);
  Object.assign(readout.dataset, { value: String(value), channel: pointed });
  at(".rank").textContent = `· ${av.fill(words.rank, { rank: ranks[pointed] + 1, count: values.length })}`;
  at(".mean").hidden = chosen === null;
  card.dataset.chosen = chosen ?? "";
}

function point(channel) {
  pointed = channel;
  draw();
  read();
}

function choose(channel) {
  chosen = channel;
  av.put("channel", { layer: props.value.layer, part: props.value.part, index: channel });
  draw();
  read();
}

/** The place under the pointer, of as many as there are bars or bins. */
function under(event) {
  const bounds = canvas.getBoundingClientRect();
  const share = ((event.clientX - bounds.left) / bounds.width) * canvas.clientWidth - LEFT;
  return av.cell(share / (canvas.clientWidth - LEFT), mode === "histogram" ? BINS : order.length);
}

/** Read out a place: a bin, or a bar's channel. */
function reach(place) {
  if (mode === "histogram") {
    bin = place;
    draw();
    read();
  } else if (order[place] !== null) point(order[place]);
}

canvas.addEventListener("pointermove", (event) => reach(under(event)));
canvas.addEventListener("click", (event) => {
  reach(under(event));
  if (mode !== "histogram") choose(pointed);
});
canvas.addEventListener("keydown", (event) => {
  const place = mode === "histogram" ? bin : order.indexOf(pointed);
  const last = (mode === "histogram" ? BINS : order.length) - 1;
  const next = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: last, PageUp: place - 10, PageDown: place + 10 }[event.key];
  if (next !== undefined) {
    const to = Math.min(Math.max(next, 0), last);
    reach(mode !== "histogram" && order[to] === null ? to + Math.sign(to - place) : to);
  } else if (mode === "histogram") return;
  else if (event.key === "Enter" || event.key === " ") choose(pointed);
  else if (event.key === "Escape") choose(null);
  else return;
  event.preventDefault();
});
watch("value", receive);
av.follow(element, () => values && draw());
receive();
