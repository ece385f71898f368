const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const [card, canvas] = [at("section"), at("canvas")];
const HEIGHT = 150;

let shares = null; // {data, shape: [M, C]}
let order = [];
let sorted = false;
let pointed = 0;

const toggle = av.choice(words.ordering, ["order", "sorted"].map((name) => [name, words[name]]), (name) => arrange(name === "sorted"));
at(".orders").append(toggle.element);
at(".heading").textContent = words.mean;

/** A branch's color: apart in lightness as in hue. */
function color(branch) {
  const [count] = shares.shape;
  const level = Math.round(255 * (0.3 + (0.5 * branch) / Math.max(count - 1, 1))) * 3;
  const lut = av.luts[av.view().map];
  return `rgb(${lut[level]}, ${lut[level + 1]}, ${lut[level + 2]})`;
}

function receive() {
  const value = props.value;
  card.hidden = !value;
  if (!value) return;
  shares = av.unpack(value.values);
  const [branches, count] = shares.shape;
  at("h2").textContent = value.title;
  at(".caption").textContent = value.caption;
  canvas.setAttribute("aria-label", av.fill(words.label, { title: value.title, branches, count }));
  pointed = 0;
  means();
  arrange(sorted);
}

function means() {
  const mean = av.unpack(props.value.mean).data;
  at(".means").replaceChildren(...props.value.names.map((name, branch) => {
    const row = av.node("div", { class: "mean", "data-value": String(mean[branch]) },
      av.node("i"), av.node("span", { text: name }), av.node("b", { text: av.short(mean[branch]) }));
    row.style.setProperty("--share", `${100 * mean[branch]}%`);
    row.style.setProperty("--color", color(branch));
    return row;
  }));
}

function arrange(next) {
  sorted = next;
  const { data, shape: [, count] } = shares;
  order = Array.from({ length: count }, (_, channel) => channel);
  if (sorted) order.sort((a, b) => data[b] - data[a]);
  toggle.mark(sorted ? "sorted" : "order");
  draw();
  read();
}

function draw() {
  const width = card.clientWidth && canvas.clientWidth;
  if (!shares || !width) return;
  const pen = av.context(canvas, width, HEIGHT);
  const { data, shape: [branches, count] } = shares;
  const step = width / count;
  const thick = step > 3 ? step - 1 : step;
  order.forEach((channel, place) => {
    let top = 0;
    for (let branch = 0; branch < branches; branch++) {
      const height = data[branch * count + channel] * HEIGHT;
      pen.fillStyle = color(branch);
      pen.fillRect(place * step, top, thick, height);
      top += height;
    }
  });
  pen.strokeStyle = av.color(element, "accent");
  pen.lineWidth = 2;
  pen.strokeRect(order.indexOf(pointed) * step, 1, Math.max(thick, 2), HEIGHT - 2);
}

function read() {
  const { data, shape: [branches, count] } = shares;
  at(".which").textContent = av.fill(words.reading, { channel: pointed });
  at(".shares").replaceChildren(...Array.from({ length: branches }, (_, branch) => {
    const value = data[branch * count + pointed];
    return av.node("b", { "data-value": String(value), "data-channel": pointed, text: av.short(value) });
  }));
}

function point(channel) {
  pointed = channel;
  draw();
  read();
}

/** Tell the page of the channel that is read out. */
const choose = () => av.put("channel", { layer: props.value.layer, part: props.value.part, index: pointed });

canvas.addEventListener("pointermove", (event) => {
  const bounds = canvas.getBoundingClientRect();
  point(order[av.cell((event.clientX - bounds.left) / bounds.width, order.length)]);
});
canvas.addEventListener("click", choose);
canvas.addEventListener("keydown", (event) => {
  const place = order.indexOf(pointed);
  const last = order.length - 1;
  const next = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: last }[event.key];
  if (next === undefined && event.key !== "Enter" && event.key !== " ") return;
  event.preventDefault();
  if (next === undefined) choose();
  else point(order[Math.min(Math.max(next, 0), last)]);
});
watch("value", receive);
av.follow(element, () => shares && draw());
av.on("view", element, () => {
  if (!shares || card.hidden) return;
  means();
  draw();
});
receive();
