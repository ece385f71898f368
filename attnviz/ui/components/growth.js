const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const [LEFT, RIGHT, TOP, BOTTOM, HEIGHT] = [58, 20, 10, 22, 220];
const COLORS = ["accent", "warn"]; // of A, round, and of B, square: apart in shape as in color
const UNITS = ["", " K", " M", " G", " T", " P"];

at("h2").textContent = words.heading;
at(".hint").textContent = words.hint;

let quantity = "macs";
const toggle = av.choice(words.quantity, props.quantities.map((name) => [name, words[name]]), (name) => {
  quantity = name;
  tell();
});
toggle.mark(quantity);
at(".switch").append(toggle.element);

/** A panel for each way to grow: a canvas, and the numbers that it draws. */
function tell() {
  const value = props.value;
  if (!value) return;
  at(".ways").replaceChildren(...value.ways.map((way) => {
    const canvas = av.node("canvas", { role: "img" });
    const facts = { title: way.title, quantity: words[quantity], count: way.sizes.length };
    canvas.setAttribute("aria-label", av.fill(words.plot, facts));
    const table = av.node("table", {},
      av.node("thead", {}, av.node("tr", {}, av.node("td"), ...way.sizes.map((text) => av.node("th", { scope: "col", text })))),
      av.node("tbody", {}, ...way.lines.map((line, i) => row(value.names[i], line, i))));
    const why = way.lines.flat().find(({ refused }) => refused);
    const scroll = av.node("div", { class: "scroll", tabindex: 0, role: "region" }, table);
    scroll.setAttribute("aria-label", way.title);
    return av.node("div", { "data-way": way.name }, av.node("h3", { text: way.title }), canvas, scroll,
      ...(why ? [av.node("p", { class: "why", text: why.refused })] : []));
  }));
  draw();
}

function row(name, line, i) {
  const mark = av.node("i", { class: i ? "" : "round" });
  mark.style.setProperty("--color", `var(--av-${COLORS[i]})`);
  return av.node("tr", { "data-line": name[0] }, av.node("th", { scope: "row" }, mark, name), ...line.map((point) => (point.refused
    ? av.node("td", { class: "refused", title: point.refused, text: words.refused })
    : av.node("td", { "data-value": String(point[quantity].value), text: point[quantity].text }))));
}

const level = (power) => `${10 ** (power % 3)}${UNITS[Math.floor(power / 3)]}${quantity === "activations" ? "B" : ""}`;

/** Both axes are logarithmic; both panels have one vertical scale. */
function draw() {
  const value = props.value;
  if (!value || !element.clientWidth) return;
  const powers = value.ways.flatMap(({ lines }) => lines.flat()).filter((point) => !point.refused)
    .map((point) => Math.log10(Math.max(point[quantity].value, 1)));
  if (!powers.length) return;
  const low = Math.floor(Math.min(...powers));
  const high = Math.max(Math.ceil(Math.max(...powers)), low + 1);
  element.querySelectorAll("canvas").forEach((canvas, i) => plot(canvas, value.ways[i], low, high));
}

function plot(canvas, { sizes, lines }, low, high) {
  const width = canvas.clientWidth;
  const pen = av.context(canvas, width, HEIGHT);
  const x = (i) => LEFT + RIGHT + (i * (width - LEFT - 2 * RIGHT)) / (sizes.length - 1);
  const y = (power) => TOP + ((high - power) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  pen.font = "12px system-ui, sans-serif";
  [pen.textAlign, pen.textBaseline] = ["right", "middle"];
  for (let power = low; power <= high; power += Math.ceil((high - low) / 6)) {
    pen.fillStyle = av.color(element, "line");
    pen.fillRect(LEFT, Math.round(y(power)), width - LEFT, 1);
    pen.fillStyle = av.color(element, "second");
    pen.fillText(level(power), LEFT - 8, y(power));
  }
  [pen.textAlign, pen.textBaseline] = ["center", "bottom"];
  sizes.forEach((size, i) => pen.fillText(size, x(i), HEIGHT));
  lines.forEach((line, side) => {
    pen.strokeStyle = pen.fillStyle = av.color(element, COLORS[side]);
    pen.lineWidth = 2.5;
    pen.beginPath();
    const spots = line.map((point, i) => (point.refused ? null : [x(i), y(Math.log10(Math.max(point[quantity].value, 1)))]));
    spots.forEach((spot, i) => spot && (spots[i - 1] ? pen.lineTo(...spot) : pen.moveTo(...spot)));
    pen.stroke();
    for (const spot of spots.filter(Boolean)) mark(pen, spot, side);
  });
}

function mark(pen, [x, y], side) {
  pen.beginPath();
  if (side) pen.rect(x - 4.5, y - 4.5, 9, 9);
  else pen.arc(x, y, 5, 0, 7);
  pen.fill();
}

watch("value", tell);
av.follow(element, draw);
tell();
