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
      av.node("div", { class: "ends" }, ...(kind === "bars" ? [high, low] : [low, high]).map((end) => av.node("span", { text: av.short(end) }))))));
  draw();
}

function draw() {
  const [value, picture] = [props.value, av.get("picture")];
  if (!value || !picture || !card.clientWidth) return;
  const aspect = picture.height / picture.width;
  [...at(".figures").children].forEach((figure, i) => {
    const canvas = figure.querySelector(".picture");
    const { kind, values, low, high } = value.figures[i];
    if (kind === "bars") bars(av.sheet(canvas, aspect), av.unpack(values));
    else {
      const scale = av.scaled(low, high);
      av.over(canvas, av.unpack(values), scale);
      av.bar(figure.querySelector(".bar"), scale.lut);
    }
  });
}

function bars({ pen, width, height }, { data, min, max }) {
  const [low, high] = [Math.min(min, 0), Math.max(max, min < 0 ? 0 : 1)];
  const y = (level) => ((high - level) / (high - low)) * height;
  pen.fillStyle = av.color(element, "bar");
  data.forEach((level, i) => pen.fillRect((i * width) / data.length, Math.min(y(level), y(0)), Math.max(width / data.length, 0.5), Math.abs(y(level) - y(0))));
}

watch("value", show);
av.follow(card, draw);
av.on("picture", element, draw);
av.on("view", element, draw);
show();
