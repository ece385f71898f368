const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const [card, range, crop, plot] = ["section", "input", ".crop", ".plot"].map(at);
const [LEFT, TOP, BOTTOM, HEIGHT] = [50, 8, 20, 190];

at("h2").textContent = words.heading;
at(".name").textContent = words.zoom;
at(".formula").textContent = words.formula;

let current = 0; // which of the zooms is read out

function show() {
  const value = props.value;
  card.hidden = !value;
  if (!value) return;
  range.max = value.zooms.length - 1;
  range.value = current = Math.min(current, value.zooms.length - 1);
  at(".caption").textContent = value.caption;
  at(".words").textContent = value.words;
  read();
}

/** A stage's color: apart in lightness as in hue. */
function color(i, count) {
  const level = Math.round(255 * (0.15 + (0.65 * i) / Math.max(count - 1, 1))) * 3;
  const lut = av.luts[av.view().map];
  return `rgb(${lut[level]}, ${lut[level + 1]}, ${lut[level + 2]})`;
}

function read() {
  const { zooms, stages } = props.value;
  at("output").textContent = `${zooms[current].toFixed(2)} ×`;
  range.setAttribute("aria-valuetext", `${zooms[current]}`);
  at("dl").replaceChildren(...stages.map(({ name, values }, i) => {
    const line = av.node("div", {}, av.node("dt", {}, av.node("i"), name),
      av.node("dd", { "data-name": name, "data-value": String(values[current]), text: av.short(values[current]) }));
    line.style.setProperty("--color", color(i, stages.length));
    return line;
  }));
  draw();
}

function draw() {
  if (!props.value || !card.clientWidth) return;
  drawCrop();
  drawPlot();
}

/** The middle of the photo that this zoom shows. */
function drawCrop() {
  const picture = av.get("picture");
  if (!picture) return;
  const { pen, width, height } = av.sheet(crop, picture.height / picture.width);
  const factor = props.value.zooms[current];
  const [w, h] = [picture.width / factor, picture.height / factor];
  pen.imageSmoothingQuality = "high";
  pen.drawImage(picture.large, (picture.width - w) / 2, (picture.height - h) / 2, w, h, 0, 0, width, height);
  crop.setAttribute("aria-label", av.fill(words.crop, { zoom: factor }));
}

function drawPlot() {
  const { zooms, stages } = props.value;
  const width = plot.clientWidth;
  const pen = av.context(plot, width, HEIGHT);
  const all = stages.flatMap(({ values }) => values);
  const most = Math.max(...all.map(Math.abs), 0.01) * 1.1;
  const x = (i) => LEFT + (i * (width - LEFT - 12)) / (zooms.length - 1);
  const y = (value) => TOP + ((most - value) / (2 * most)) * (HEIGHT - TOP - BOTTOM);
  pen.font = "11px system-ui, sans-serif";
  [pen.textAlign, pen.textBaseline] = ["right", "middle"];
  for (const level of [-most, 0, most]) {
    pen.fillStyle = av.color(element, "line");
    pen.fillRect(LEFT, Math.round(y(level)), width - LEFT, 1);
    pen.fillStyle = av.color(element, "second");
    pen.fillText(av.level(level), LEFT - 6, y(level));
  }
  [pen.textAlign, pen.textBaseline] = ["center", "bottom"];
  zooms.forEach((zoom, i) => pen.fillText(`${zoom} ×`, Math.min(x(i), width - 16), HEIGHT));
  pen.fillStyle = av.color(element, "accent");
  pen.fillRect(x(current) - 0.5, TOP, 1, HEIGHT - TOP - BOTTOM);
  stages.forEach(({ values }, i) => {
    [pen.strokeStyle, pen.fillStyle, pen.lineWidth] = [color(i, stages.length), color(i, stages.length), 2.5];
    pen.beginPath();
    values.forEach((value, k) => pen.lineTo(x(k), y(value)));
    pen.stroke();
    values.forEach((value, k) => {
      pen.beginPath();
      pen.arc(x(k), y(value), k === current ? 5 : 3, 0, 7);
      pen.fill();
    });
  });
  plot.setAttribute("aria-label", av.fill(words.plot, { stages: stages.length, zooms: zooms.length }));
}

range.addEventListener("input", () => {
  current = Number(range.value);
  read();
});
watch("value", show);
av.follow(card, draw);
av.on("picture", element, draw);
av.on("view", element, () => props.value && read());
show();
