const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const [card, canvas, readout] = [at("section"), at("canvas"), at(".value")];
const [LEFT, TOP, BOTTOM, HEIGHT] = [34, 8, 6, 190];

let values = null; // Float32Array
let order = []; // channel at each place
let ranks = []; // place of each channel among the sorted
let sorted = false;
let pointed = 0; // the channel that is read out
let chosen = null; // the channel whose map is shown

const toggle = av.choice(words.ordering, ["order", "sorted"].map((name) => [name, words[name]]), (name) => arrange(name === "sorted"));
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
  [pointed, chosen] = [falling[0], null];
  at("h2").textContent = value.title;
  at(".caption").textContent = value.caption;
  at(".words").textContent = value.words + (value.maps ? ` ${words.choose}` : "");
  canvas.setAttribute("aria-label", av.fill(words.label, { title: value.title, count: values.length }));
  arrange(sorted);
}

function arrange(next) {
  sorted = next;
  order = Array.from(values.keys());
  if (sorted) order.sort((a, b) => ranks[a] - ranks[b]);
  toggle.mark(sorted ? "sorted" : "order");
  draw();
  read();
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
  for (let place = 0; place < order.length; place++) bar(place, plain);
  for (const channel of new Set([pointed, chosen])) {
    if (channel !== null) bar(order.indexOf(channel), av.color(element, "accent"), Math.max(thick, 2));
  }
}

function read() {
  const value = values[pointed];
  at(".which").textContent = av.fill(words.reading, { channel: pointed });
  readout.textContent = av.short(value);
  Object.assign(readout.dataset, { value: String(value), channel: pointed });
  at(".rank").textContent = `· ${av.fill(words.rank, { rank: ranks[pointed] + 1, count: values.length })}`;
  at(".mean").hidden = chosen === null || !props.value.maps;
  card.dataset.chosen = chosen ?? "";
}

function point(channel) {
  pointed = channel;
  draw();
  read();
}

function choose(channel) {
  if (channel === null && !props.value.maps) return;
  chosen = channel;
  av.put("channel", { layer: props.value.layer, part: props.value.part, index: channel });
  draw();
  read();
}

function under(event) {
  const bounds = canvas.getBoundingClientRect();
  const share = ((event.clientX - bounds.left) / bounds.width) * canvas.clientWidth - LEFT;
  return order[av.cell(share / (canvas.clientWidth - LEFT), order.length)];
}

canvas.addEventListener("pointermove", (event) => point(under(event)));
canvas.addEventListener("click", (event) => {
  point(under(event));
  choose(pointed);
});
canvas.addEventListener("keydown", (event) => {
  const place = order.indexOf(pointed);
  const last = order.length - 1;
  const next = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: last, PageUp: place - 10, PageDown: place + 10 }[event.key];
  if (next !== undefined) point(order[Math.min(Math.max(next, 0), last)]);
  else if (event.key === "Enter" || event.key === " ") choose(pointed);
  else if (event.key === "Escape") choose(null);
  else return;
  event.preventDefault();
});
watch("value", receive);
av.follow(element, () => values && draw());
receive();
