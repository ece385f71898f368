const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);

at("h2").textContent = words.heading;
at(".top").setAttribute("aria-label", words.heading);
at(".more").textContent = words.rest;
at(".rest").setAttribute("aria-label", words.rest);
at(".chosen").setAttribute("aria-label", words.heading);
at(".found").setAttribute("aria-label", words.searched);
const search = at(".search input");
const MOST = 8; // classes that a search shows
search.placeholder = words.search;
search.setAttribute("aria-label", words.search);

function bar({ index, label, value, percent }) {
  const button = av.node("button", {
    type: "button",
    "data-index": index,
    "data-value": String(value),
    "aria-label": av.fill(words.share, { label, percent }),
  }, av.node("span", { text: label }), av.node("span", { class: "percent", text: percent }));
  button.style.setProperty("--share", `${100 * value}%`);
  button.addEventListener("click", () => {
    mark(index);
    av.send(trigger, { target: index });
  });
  return button;
}

function mark(target) {
  for (const button of element.querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.index) === target));
  }
}

let values = null; // of every class, where they are too many to be listed

/** The classes whose names hold what was typed, those that begin with it first. */
function look() {
  const text = search.value.trim().toLowerCase();
  const names = (values && text && av.get("classes")) || [];
  const rank = (name) => [` ${name}`.toLowerCase().indexOf(` ${text}`), name.toLowerCase().indexOf(text)];
  const found = [];
  names.forEach((label, index) => {
    const [word, anywhere] = rank(label);
    if (anywhere >= 0) found.push({ label, index, order: word < 0 ? 1e6 + anywhere : word });
  });
  found.sort((a, b) => a.order - b.order || values.data[b.index] - values.data[a.index]);
  const shown = found.slice(0, MOST).map(({ label, index }) => {
    const value = values.data[index];
    return bar({ index, label, value, percent: share(value) });
  });
  at(".found").replaceChildren(...(text && values && !shown.length ? [av.node("p", { text: words.nothing })] : shown));
  mark(props.value?.target);
}

/** As the server writes shares. */
function share(value) {
  if (value > 0 && value < 0.001) return "under 0.1%";
  return value > 0.999 && value < 1 ? "over 99.9%" : `${(100 * value).toFixed(1)}%`;
}

function show() {
  const value = props.value;
  if (!value) return;
  const focused = element.contains(document.activeElement) && document.activeElement.dataset.index;
  at(".top").replaceChildren(...value.top.map(bar));
  at(".rest").replaceChildren(...value.rest.map(bar));
  at(".chosen").replaceChildren(...(value.chosen ? [value.chosen] : []).map(bar));
  at(".none").hidden = !value.none;
  at(".none").textContent = value.none ?? "";
  at(".search").hidden = !value.values;
  values = av.unpack(value.values);
  look();
  at(".certainty").textContent = value.certainty ?? "";
  at(".certainty").hidden = !value.certainty;
  at(".more").hidden = !value.rest.length;
  mark(value.target);
  if (focused) element.querySelector(`[data-index="${focused}"]`)?.focus();
}

search.addEventListener("input", look);
watch("value", show);
show();
// A refused request leaves the class as it was.
av.on("busy", element, (busy) => busy || mark(props.value?.target));
