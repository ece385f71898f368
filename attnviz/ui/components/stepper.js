const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const [card, list, canvas, input] = ["section", "ol", "section > canvas", "input"].map(at);
const HEIGHT = 170;

let value = null;
let current = 0; // the step that is lit
let tensor = null; // what is drawn of it, unpacked
let box = [0, 0, 1, 1]; // where it lies on the canvas
let pointed = null; // the index that is read out

[[".back", words.back], [".next", words.next], [".name", words.channel], [".hint", words.hint]].forEach(([where, text]) => {
  at(where).textContent = text;
});

function receive() {
  const before = value;
  value = props.value;
  card.hidden = !value;
  if (!value) return;
  at("h2").textContent = value.title;
  at(".caption").textContent = value.caption;
  at(".none").hidden = !value.none;
  at(".none").textContent = value.none ?? "";
  card.classList.toggle("empty", !!value.none);
  if (value.none) {
    [value, tensor] = [null, null]; // there is nothing to step through
    return;
  }
  const same = before?.layer === value.layer && before.steps.length === value.steps.length;
  input.max = value.channels - 1;
  input.value = value.channel;
  const [row, column] = value.position;
  at(".place").textContent = av.fill(words.place, { row, column });
  list.replaceChildren(...value.steps.map((step, i) => {
    const formula = av.node("span", { class: "formula" });
    formula.innerHTML = step.formula; // MathML of our own mechanisms: nothing of it comes from a visitor
    const button = av.node("button", { type: "button", "data-step": step.name },
      av.node("span", { class: "number", text: i }), av.node("span", { text: step.name }), formula);
    button.addEventListener("click", () => light(i));
    return av.node("li", {}, button);
  }));
  light(same ? current : 0);
}

/** Light a step: its line, its numbers, its tensor. */
function light(index) {
  current = Math.min(Math.max(index, 0), value.steps.length - 1);
  const step = value.steps[current];
  [...list.children].forEach((line, i) => {
    if (i === current) line.firstChild.setAttribute("aria-current", "step");
    else line.firstChild.removeAttribute("aria-current");
  });
  at(".back").disabled = current === 0;
  at(".next").disabled = current === value.steps.length - 1;
  at(".live").innerHTML = step.live ?? "";
  tensor = av.unpack(step.drawn);
  pointed = start(step);
  const shape = av.fill(words.shape, { shape: step.shape });
  const { min, max } = step.facts;
  at(".drawn").textContent = step.label;
  at(".shape").textContent = shape;
  card.dataset.step = step.name;
  const facts = { name: step.name, label: step.label, shape: step.shape, min: av.short(min), max: av.short(max) };
  canvas.setAttribute("aria-label", av.fill(words.label, facts));
  draw();
  read();
}

/** What is read out first: the chosen channel of bars, the chosen place of a map. */
function start({ kind, chosen }) {
  if (kind === "map") {
    const [rows, columns] = tensor.shape;
    const [height, width] = value.output ?? value.grid;
    return av.cell((value.position[0] + 0.5) / height, rows) * columns + av.cell((value.position[1] + 0.5) / width, columns);
  }
  return chosen ?? tensor.data.indexOf(Math.max(...tensor.data));
}

function draw() {
  const width = card.clientWidth && canvas.clientWidth;
  if (!tensor || !width) return;
  const pen = av.context(canvas, width, HEIGHT);
  const { kind } = value.steps[current];
  at(".scale").hidden = kind === "bars";
  if (kind === "bars") bars(pen, width);
  else grid(pen, width, kind);
}

function bars(pen, width) {
  const { data, min, max } = tensor;
  const [low, high] = [Math.min(min, 0), Math.max(max, min < 0 ? 0 : min, 1e-12)];
  const y = (level) => ((high - level) / (high - low)) * (HEIGHT - 8) + 4;
  const step = width / data.length;
  box = [0, 0, width, HEIGHT];
  data.forEach((level, i) => {
    const [top, bottom] = [Math.min(y(level), y(0)), Math.max(y(level), y(0))];
    pen.fillStyle = av.color(element, i === pointed ? "accent" : "bar");
    pen.fillRect(i * step, top, Math.max(step > 3 ? step - 1 : step, i === pointed ? 2 : 0), Math.max(bottom - top, 1));
  });
  pen.fillStyle = av.color(element, "second");
  pen.fillRect(0, y(0), width, 1);
}

/** A map keeps the picture's aspect; rows take the whole width. */
function grid(pen, width, kind) {
  const [h, w] = tensor.shape;
  const picture = av.get("picture");
  const [left, top, right, bottom] = picture?.box ?? [0, 0, 1, 1];
  const aspect = picture ? ((right - left) * picture.width) / ((bottom - top) * picture.height) : w / h;
  const wide = kind === "map" ? Math.min(HEIGHT * aspect, width) : width;
  const tall = kind === "map" ? Math.min(HEIGHT, wide / aspect) : HEIGHT;
  box = [0, 0, wide, tall];
  const signed = tensor.min < 0;
  const high = signed ? Math.max(-tensor.min, tensor.max) : tensor.max;
  const low = signed ? -high : tensor.min;
  const lut = av.luts[signed ? "diverging" : av.view().map];
  av.overlay(pen, { data: tensor.data, h, w }, box, { low, high, lut, smooth: false, alpha: 1 });
  if (kind === "map") av.ring(pen, box, [Math.floor(pointed / w), pointed % w], [h, w]);
  at(".low").textContent = av.short(low);
  at(".high").textContent = av.short(high);
  av.bar(at(".bar"), lut);
  at(".bar").setAttribute("aria-label", `${av.short(low)} – ${av.short(high)}`);
}

function read() {
  const [, columns] = tensor.shape;
  const index = columns ? `${Math.floor(pointed / columns)}, ${pointed % columns}` : pointed;
  at(".at").textContent = av.fill(words.at, { index });
  at(".value").textContent = av.short(tensor.data[pointed]);
  Object.assign(at(".value").dataset, { value: String(tensor.data[pointed]), index: String(pointed) });
}

/** The index under the pointer. */
function under(event) {
  const bounds = canvas.getBoundingClientRect();
  const scale = bounds.width / canvas.clientWidth;
  const [u, v] = [(event.clientX - bounds.left) / scale / box[2], (event.clientY - bounds.top) / scale / box[3]];
  const [h, w] = tensor.shape;
  return w ? av.cell(v, h) * w + av.cell(u, w) : av.cell(u, h);
}

/** A click chooses: a bar its channel, a place of a map the place. */
function choose(index) {
  const { kind, chosen } = value.steps[current];
  const [h, w] = tensor.shape;
  if (kind === "bars" && chosen !== null) av.send(trigger, { channel: index });
  const [rows, columns] = value.grid;
  const [i, j] = [Math.floor(index / w), index % w]; // the place is one of the grid that the block is asked on
  if (kind === "map") av.send(trigger, { query: [av.cell((i + 0.5) / h, rows), av.cell((j + 0.5) / w, columns)] });
}

canvas.addEventListener("pointermove", (event) => {
  pointed = under(event);
  draw();
  read();
});
canvas.addEventListener("click", (event) => choose(under(event)));
at(".back").addEventListener("click", () => light(current - 1));
at(".next").addEventListener("click", () => light(current + 1));
input.addEventListener("change", () => {
  const channel = Math.min(Math.max(Math.round(Number(input.value) || 0), 0), value.channels - 1);
  input.value = channel;
  av.send(trigger, { channel });
});
card.addEventListener("keydown", (event) => {
  const own = ["BUTTON", "SUMMARY", "A"].includes(event.target.tagName);
  if (!value || event.target === input || (event.key === " " && own)) return;
  const by = { ArrowRight: 1, ArrowDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
  if (by === undefined) return;
  event.preventDefault();
  light(current + by);
});
av.on("channel", element, ({ layer, index }) => {
  if (value && layer === value.layer && index !== (av.get("state")?.channel ?? null)) av.send(trigger, { channel: index });
});
av.on("view", element, () => tensor && draw());
av.on("picture", element, () => tensor && draw());
watch("value", receive);
av.follow(element, () => tensor && draw());
receive();
