const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);

const [sees, not] = element.querySelectorAll("dt");
[sees.textContent, not.textContent] = [words.sees, words.not];
at("a").textContent = words.paper;
at(".caption").textContent = words.heading;

function show() {
  const value = props.value;
  at("section").hidden = !value;
  if (!value) return;
  at("h2").textContent = value.title;
  // MathML of our own mechanisms' formulas: nothing of it comes from a visitor.
  at(".lines").replaceChildren(...value.lines.map((line) => {
    const row = av.node("div", { class: "line", tabindex: 0 });
    row.innerHTML = line;
    return row;
  }));
  at(".none").hidden = !value.none;
  at(".none").textContent = value.none ?? "";
  at(".sees").textContent = value.sees ?? "";
  sees.hidden = at(".sees").hidden = !value.sees;
  at(".not").textContent = value.not;
  at(".citation").hidden = !value.citation;
  at(".citation span").textContent = `${value.citation}.`;
  at("a").href = value.paper;
  fit();
}

/** Long formulas are set smaller, down to where they still read; then they scroll. */
function fit() {
  const lines = [...element.querySelectorAll(".line")];
  for (let size = 18; size >= 13; size--) {
    at(".lines").style.fontSize = `${size}px`;
    if (lines.every((line) => line.scrollWidth <= line.clientWidth)) break;
  }
}

av.follow(element, fit);
watch("value", show);
show();
