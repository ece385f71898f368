const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const card = at("section");

at("h2").textContent = words.heading;
at("h3").textContent = words.strongest;
at(".hint").textContent = words.hint;

function show() {
  const value = props.value;
  card.hidden = !value;
  if (!value) return;
  const row = av.unpack(value.row);
  const { data, shape: [, columns] } = row;
  const [sum, low, high] = [data.reduce((a, b) => a + b), row.min, row.max];
  at(".caption").textContent = value.caption;
  const [[i, j], [rows, width]] = [value.query, value.queries];
  at(".query").textContent = av.fill(words.query, { row: i, column: j, rows, columns: width });
  at(".row").textContent = av.fill(words.row, { sum: av.short(sum), low: av.short(low), high: av.short(high) });
  const distribution = value.role === "distribution";
  at(".entropy").hidden = !distribution;
  if (distribution) {
    const bits = data.reduce((total, p) => total - (p > 0 ? p * Math.log(p) : 0), 0) / Math.log(data.length);
    at(".entropy").textContent = av.fill(words.entropy, { entropy: av.short(bits) });
  }
  const strongest = Array.from(data.keys()).sort((a, b) => data[b] - data[a]).slice(0, 5);
  at("ol").replaceChildren(...strongest.map((key) => {
    const text = av.fill(words.place, { row: Math.floor(key / columns), column: key % columns });
    const line = av.node("li", { "data-key": key, "data-value": String(data[key]) },
      av.node("span", { text }), av.node("b", { text: av.short(data[key]) }));
    line.style.setProperty("--share", `${(100 * data[key]) / (high || 1)}%`);
    return line;
  }));
  card.dataset.query = `${i},${j}`;
  av.put("row", { layer: value.layer, query: value.query, map: row });
}

watch("value", show);
show();
