const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const [card, canvas] = [at("section"), at("canvas")];
const [HEIGHT, BOTTOM] = [120, 18];
let pointed = null;

function receive() {
  const value = props.value;
  card.hidden = !value;
  if (!value) return;
  pointed = null;
  at("h2").textContent = value.title;
  at(".caption").textContent = value.caption;
  at(".words").textContent = value.words;
  const { title, low, high } = value;
  canvas.setAttribute("aria-label", av.fill(words.label, { title, low: av.short(low), high: av.short(high) }));
  draw();
  read();
}

function draw() {
  const width = card.clientWidth && canvas.clientWidth;
  if (!props.value || !width) return;
  av.histogram(av.context(canvas, width, HEIGHT), element, props.value, [0, 4, width, HEIGHT - BOTTOM - 4], pointed);
}

function read() {
  const { counts, low, high, facts } = props.value;
  const readout = at(".readout");
  if (pointed === null) {
    readout.replaceChildren(...Object.entries(facts).flatMap(([name, value]) => [
      av.node("span", { text: `${name} ` }),
      av.node("b", { "data-name": name, "data-value": String(value), text: av.short(value) }),
      av.node("span", { text: "  " }),
    ]));
    return;
  }
  const end = (bin) => av.short(low + ((high - low) * bin) / counts.length);
  const all = counts.reduce((a, b) => a + b);
  readout.textContent = av.fill(words.bin, { count: counts[pointed], all, low: end(pointed), high: end(pointed + 1) });
}

function point(bin) {
  pointed = bin;
  draw();
  read();
}

canvas.addEventListener("pointermove", (event) => {
  const bounds = canvas.getBoundingClientRect();
  point(av.cell((event.clientX - bounds.left) / bounds.width, props.value.counts.length));
});
canvas.addEventListener("pointerleave", () => point(null));
canvas.addEventListener("blur", () => point(null));
canvas.addEventListener("keydown", (event) => {
  const last = props.value.counts.length - 1;
  const now = pointed ?? -1;
  const next = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  point(Math.min(Math.max(next, 0), last));
});
watch("value", receive);
av.follow(element, draw);
receive();
