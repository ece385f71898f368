const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const card = at("section");

at("h2").textContent = words.heading;
at(".note").textContent = words.note;

function show() {
  const value = props.value;
  card.hidden = !value;
  if (!value) return;
  at(".caption").textContent = value.caption;
  at(".figures").replaceChildren(...value.figures.map(({ name, title, kind, values, low = values.min, high = values.max }) =>
    av.node("figure", { "data-name": name, "data-low": String(low), "data-high": String(high) },
      av.node("figcaption", { text: title }),
      av.node("canvas", { class: "picture", role: "img", "aria-label": `${title}: ${av.short(low)} – ${av.short(high)}` }),
      av.node("canvas", { class: "bar", "aria-hidden": "true", hidden: kind === "bars" }),
      av.node("div", { class: "ends" }, av.node("span", { text: av.short(low) }), av.node("span", { text: av.short(high) })))));
  draw();
}

function draw() {
  const [value, picture] = [props.value, av.get("picture")];
  if (!value || !picture || !card.clientWidth) return;
  [...at(".figures").children].forEach((figure, i) => {
    const canvas = figure.querySelector(".picture");
    const width = canvas.clientWidth;
    const height = Math.round((width * picture.height) / picture.width);
    canvas.style.height = `${height}px`;
    const pen = av.context(canvas, width, height);
    const { kind, values, low, high } = value.figures[i];
    if (kind === "bars") bars(pen, width, height, av.unpack(values));
    else over(pen, width, height, picture, av.unpack(values), low, high, figure.querySelector(".bar"));
  });
}

function bars(pen, width, height, { data, min, max }) {
  const [low, high] = [Math.min(min, 0), Math.max(max, min < 0 ? 0 : 1)];
  const y = (level) => ((high - level) / (high - low)) * height;
  pen.fillStyle = av.color(element, "bar");
  data.forEach((level, i) => pen.fillRect((i * width) / data.length, Math.min(y(level), y(0)), Math.max(width / data.length, 0.5), Math.abs(y(level) - y(0))));
}

function over(pen, width, height, picture, { data, shape: [h, w] }, low, high, bar) {
  const { map = "viridis", smooth = true, strength = 0.65 } = av.get("view") ?? {};
  const most = Math.max(-low, high);
  const scale = low < 0 ? { low: -most, high: most, lut: av.luts.diverging } : { low, high, lut: av.luts[map] };
  pen.drawImage(picture.large, 0, 0, width, height);
  const [left, top, right, bottom] = picture.box;
  const box = [left * width, top * height, (right - left) * width, (bottom - top) * height];
  av.overlay(pen, { data, h, w }, box, { ...scale, smooth, alpha: strength });
  av.bar(bar, scale.lut);
}

watch("value", show);
av.follow(card, draw);
av.on("picture", element, draw);
av.on("view", element, draw);
show();
