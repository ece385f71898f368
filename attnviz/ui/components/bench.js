const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const [sizes, said, working, sides] = [".sizes", ".said", ".working", ".sides"].map(at);
const LETTERS = ["A", "B"];
const SLOW = 400; // milliseconds after which the page says that it waits

at("h2").textContent = words.heading;
at("legend").textContent = words.sizes;
for (const name of ["hint", "note"]) at(`.${name}`).textContent = words[name];
at(".scroll").setAttribute("aria-label", words.heading);

let asked = null; // the number of the request that is shown, or on its way
let current = null; // what it asked for
let running = false; // one request at a time: what is chosen meanwhile comes after it
let count = 0;
let waiting = 0;

/** A field's value; a number's that is empty is nothing, and the mechanism says whether that can be. */
const number = (input) => (input.value === "" ? null : input.valueAsNumber);

const inputs = Object.fromEntries(Object.entries(props.sizes).map(([name, size]) => {
  const input = av.node("input", { type: "number", class: "av-field", name, min: 1, max: props.limits[name], step: 1, value: size });
  input.addEventListener("change", ask);
  sizes.append(av.node("label", {}, words[name], input));
  return [name, input];
}));

/** A setting's card: its mechanism, its options, its steps. */
const cards = LETTERS.map((letter, side) => {
  const select = av.node("select", { class: "av-field", "aria-label": `${letter}: ${words.mechanism}` },
    ...props.mechanisms.map(({ name, label }) => av.node("option", { value: name, text: label })));
  const [source, options, steps] = [av.node("p", { class: "source" }), av.node("div", { class: "options" }), av.node("div", { class: "scroll", tabindex: 0, role: "region" })];
  const card = av.node("article", { class: "av-card side", "data-side": letter },
    av.node("div", { class: "head" }, av.node("h3", { text: av.fill(words.setting, { letter }) }), select), source, options, steps);
  steps.setAttribute("aria-label", av.fill(words.setting, { letter }));
  sides.append(card);
  const made = { letter, select, source, options, steps, fields: {} };
  select.value = props.first[side];
  select.addEventListener("change", () => {
    offer(made);
    ask();
  });
  offer(made);
  return made;
});

/** The options of the chosen mechanism, each with what its docstring says. */
function offer(card) {
  const mechanism = props.mechanisms.find(({ name }) => name === card.select.value);
  card.source.textContent = mechanism.citation;
  card.fields = {};
  card.options.replaceChildren(...mechanism.options.map((option) => {
    const [field, read] = control(option);
    const id = `bench-${card.letter}-${option.name}`;
    field.setAttribute("aria-describedby", id);
    field.addEventListener("change", ask);
    card.fields[option.name] = read;
    return av.node("div", { class: "option", "data-option": option.name },
      av.node("label", {}, option.name, field), av.node("p", { id, text: option.says }));
  }));
}

/** An option's field, and how it is read. */
function control({ kind, value, choices, optional }) {
  if (kind === "switch") {
    const box = av.node("input", { type: "checkbox", checked: value });
    return [box, () => box.checked];
  }
  if (kind === "choice") {
    const select = av.node("select", { class: "av-field" }, ...choices.map(([json, text]) => av.node("option", { value: json, text })));
    select.value = choices.find(([json]) => json === JSON.stringify(value))[0];
    return [select, () => JSON.parse(select.value)];
  }
  const input = av.node("input", { type: "number", class: "av-field", step: kind === "whole" ? 1 : "any", value: value ?? "", placeholder: optional ? words.default : null });
  return [input, () => number(input)];
}

/** Ask for the settings that are chosen, where the page shows others. */
function ask() {
  const settings = cards.map(({ select, fields }) => ({
    mechanism: select.value,
    options: Object.fromEntries(Object.entries(fields).map(([name, read]) => [name, read()])),
  }));
  const request = { settings, ...Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, number(input)])) };
  const text = JSON.stringify(request);
  if (running || text === current) return;
  count += 1;
  [asked, current, running] = [`${count}`, text, true];
  waiting = setTimeout(() => { working.textContent = words.working; }, SLOW);
  trigger("select", { ...request, asked });
}

function show() {
  const value = props.value;
  if (!value || value.asked !== asked) return;
  clearTimeout(waiting);
  running = false;
  working.textContent = "";
  said.hidden = !value.said;
  said.textContent = value.said ?? "";
  if (value.totals) tell(value);
  if (asked !== null) ask();
}

const cell = ({ value, text }, name, small) => av.node("td", { class: value ? null : "zero", "data-name": name, "data-value": String(value), text },
  ...(small ? [av.node("small", { text: small })] : []));
const head = (texts) => av.node("tr", {}, ...texts.map((text) => av.node(text ? "th" : "td", text ? { scope: "col", text } : {})));

function tell({ names, totals, sides: both }) {
  at("thead").replaceChildren(head(["", ...names, words.difference]));
  at("tbody").replaceChildren(...totals.map(({ name, cells, difference }) => av.node("tr", { "data-row": name },
    av.node("th", { scope: "row", text: words[name] }), ...cells.map((each, i) => cell(each, LETTERS[i])),
    cell(difference, "difference", difference.part))));
  both.forEach((side, i) => cards[i].steps.replaceChildren(steps(side)));
}

/** A setting's steps in order: shape, multiply-adds, memory. */
function steps({ input, steps: lines, macs, bytes }) {
  const rows = lines.map((step) => {
    const formula = av.node("span", { class: "formula" });
    formula.innerHTML = step.formula; // MathML of our own mechanisms: nothing of it comes from a visitor
    return av.node("tr", { "data-step": step.name }, av.node("th", { scope: "row" }, step.name, formula),
      av.node("td", { "data-name": "shape", text: step.shape }), cell(step.macs, "macs"), cell(step.bytes, "bytes"));
  });
  const plain = (text, shape, cells, kind) => av.node("tr", { class: kind }, av.node("th", { scope: "row", text }), av.node("td", { text: shape }), ...cells);
  return av.node("table", { class: "steps" },
    av.node("thead", {}, head([words.step, words.shape, words.short, words.memory])),
    av.node("tbody", {}, plain(words.comes, input, [av.node("td"), av.node("td")], "input"), ...rows,
      plain(words.together, "", [cell(macs, "macs"), cell(bytes, "bytes")], "together")));
}

watch("value", show);
show();
