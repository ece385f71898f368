const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const card = at("section");

at("h2").textContent = words.heading;
at("h3").textContent = words.strongest;

function receive() {
  const value = props.value;
  card.hidden = !value;
  if (!value) return;
  at(".caption").textContent = value.caption;
  av.put("row", { layer: value.layer, query: value.query, map: av.unpack(value.row) });
}

/** The facts of the row that the map shows: the settled query's, or the one under the pointer. */
function tell({ layer, cell: [i, j], row: { data, shape: [, columns] } }) {
  const value = props.value;
  if (!value || layer !== value.layer) return;
  const [rows, width] = value.queries;
  const [low, high] = [Math.min(...data), Math.max(...data)];
  const sum = data.reduce((a, b) => a + b);
  at(".query").textContent = av.fill(words.query, { row: i, column: j, rows, columns: width });
  const distribution = value.role === "distribution";
  const text = distribution && sum < 0.999 ? words.part : words.row;
  at(".row").textContent = av.fill(text, { sum: av.short(sum), low: av.short(low), high: av.short(high) });
  at(".entropy").hidden = !distribution;
  if (distribution) {
    const bits = av.entropy(data);
    at(".entropy").textContent = av.fill(words.entropy, { entropy: av.short(bits) });
    at(".entropy").dataset.value = String(bits);
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
}

watch("value", receive);
av.on("reading", element, tell);
receive();
