const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const MOST = 0.5; // of vectors that have nothing in common; opposite ones would reach 1

at("h2").textContent = words.heading;
at(".formula").textContent = words.formula;

function show() {
  const value = props.value;
  at("section").hidden = !value;
  if (!value) return;
  at(".caption").textContent = value.caption;
  at(".formula").hidden = !!value.none;
  at("dl").replaceChildren(...(value.none ? [] : ["input", "attention", "output"]).flatMap((name) => {
    const meter = av.node("dd", { class: "meter", "aria-hidden": "true" });
    meter.style.setProperty("--share", `${Math.min(100, (100 * value[name]) / MOST)}%`);
    return [av.node("dt", { text: words[name] }), meter,
      av.node("dd", { "data-name": name, "data-value": String(value[name]), text: av.short(value[name]) })];
  }));
  at(".words").textContent = value.none ?? value.words;
}

watch("value", show);
show();
