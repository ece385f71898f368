const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);

at("h2").textContent = words.heading;
at(".top").setAttribute("aria-label", words.heading);
at(".more").textContent = words.rest;
at(".rest").setAttribute("aria-label", words.rest);

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

function show() {
  const value = props.value;
  if (!value) return;
  const focused = element.contains(document.activeElement) && document.activeElement.dataset.index;
  at(".top").replaceChildren(...value.top.map(bar));
  at(".rest").replaceChildren(...value.rest.map(bar));
  at(".certainty").textContent = value.certainty ?? "";
  at(".certainty").hidden = !value.certainty;
  at(".more").hidden = !value.rest.length;
  mark(value.target);
  if (focused) element.querySelector(`[data-index="${focused}"]`)?.focus();
}

watch("value", show);
show();
// A refused request leaves the class as it was.
av.on("busy", element, (busy) => busy || mark(props.value?.target));
