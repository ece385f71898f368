const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const [chips, select, add, count, all, nobody] = [".chips", "select", ".add", ".count", ".all", ".nobody"].map(at);
const [RANDOM, OWN, NONE] = ["random:", "own:", "none"];
const HERE = ["embedded", "cached"];

const texts = {
  h2: "heading", ".hint": "hint", legend: "networks", ".all": "all", ".nobody": "nobody", "label span": "more", ".add": "add",
  ".elsewhere": "elsewhere",
};
for (const [selector, name] of Object.entries(texts)) at(selector).textContent = words[name];

const family = props.family.map(({ id }) => id);
const names = new Map(props.networks.map(({ id, name }) => [id, name]));
const short = new Map(props.family.map(({ id, name }) => [id, name]));
const listed = new Set(names.keys());
// What can be shown at once: of other people's own networks this page knows nothing.
const here = new Set();
for (const { id, state } of props.networks) {
  if (HERE.includes(state)) here.add(id);
  if (!id.startsWith(RANDOM)) here.add(RANDOM + id);
}

let choice = ""; // as a link has it: ids with commas, NONE, or nothing for what is usual
let open = null; // the network in Inspect where it is none of the family
const added = new Set();
const boxes = new Map(); // by network: its line among the chips

const called = (id) => names.get(id) ?? (id.startsWith(RANDOM) ? av.fill(props.random, { name: called(id.slice(RANDOM.length)) }) : id.slice(id.indexOf(":") + 1));
/** The family's networks are told apart by their mechanism alone. */
const brief = (id) => {
  const plain = id.startsWith(RANDOM) ? id.slice(RANDOM.length) : id;
  if (!short.has(plain)) return called(id);
  return plain === id ? short.get(id) : av.fill(props.random, { name: short.get(plain) });
};
const usual = () => (open ? [...family, open] : family);
const shown = () => [...new Set([...usual(), ...added])];
const chosen = () => (choice ? shown().filter((id) => choice.split(",").includes(id)) : usual());

/** Choose these of the networks that are listed, as many as there is room for. */
function choose(ids) {
  const kept = shown().filter((id) => ids.includes(id)).slice(0, props.most);
  const same = kept.length === usual().length && usual().every((id) => kept.includes(id));
  av.put("compare", same ? "" : kept.join(",") || NONE);
}

function tell() {
  const [on, lines] = [chosen(), shown()];
  for (const id of boxes.keys()) if (!lines.includes(id)) drop(id);
  for (const id of lines) {
    if (!boxes.has(id)) boxes.set(id, chip(id));
    const line = boxes.get(id);
    line.lastChild.textContent = brief(id);
    line.title = called(id);
    line.firstChild.checked = on.includes(id);
    line.firstChild.disabled = !on.includes(id) && on.length >= props.most;
    if (lines.indexOf(id) !== [...chips.children].indexOf(line)) chips.insertBefore(line, chips.children[lines.indexOf(id)] ?? null);
  }
  count.textContent = av.fill(words.count, { count: on.length, most: props.most });
  offer(lines, on.length >= props.most);
  const compared = on.map((id) => ({ id, name: called(id) }));
  if (JSON.stringify(compared) !== JSON.stringify(av.get("compared"))) av.put("compared", compared);
}

function drop(id) {
  boxes.get(id).remove();
  boxes.delete(id);
}

function chip(id) {
  const box = av.node("input", { type: "checkbox", value: id });
  box.addEventListener("change", () => choose(box.checked ? [...chosen(), id] : chosen().filter((other) => other !== id)));
  return av.node("label", { class: "chip" }, box, av.node("span"));
}

let offers = ""; // what the list holds: it is left alone while that is the same
function offer(lines, full) {
  const left = [...here].filter((id) => !lines.includes(id));
  const kind = (id) => (id.startsWith(OWN) ? "yours" : id.startsWith(RANDOM) ? "control" : "at_hand");
  const groups = ["yours", "at_hand", "control"].map((name) => [name, left.filter((id) => kind(id) === name)]).filter(([, ids]) => ids.length);
  select.disabled = add.disabled = full || !left.length;
  const now = JSON.stringify(groups.map(([, ids]) => ids.map((id) => [id, called(id)])));
  if (now === offers) return;
  offers = now;
  const before = select.value;
  select.replaceChildren(...groups.map(([name, ids]) => av.node("optgroup", { label: words[name] },
    ...ids.map((id) => av.node("option", { value: id, text: called(id) })))));
  if (left.includes(before)) select.value = before;
}

/** A network that this page was told of: one's own are told apart where they are called alike. */
function hear({ id, name }) {
  if (listed.has(id) || names.has(id)) return;
  const alike = [...names].filter(([other, its]) => other.startsWith(OWN) && its.replace(/ \(\d+\)$/, "") === name).length;
  names.set(id, id.startsWith(OWN) && alike ? `${name} (${alike + 1})` : name);
  here.add(id);
}

all.addEventListener("click", () => choose(shown()));
nobody.addEventListener("click", () => choose([]));
at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!select.value) return;
  added.add(select.value);
  choose([...chosen(), select.value]);
});
av.on("compare", element, (text) => {
  choice = text;
  for (const id of text.split(",")) if (id && id !== NONE && !family.includes(id)) added.add(id);
  tell();
});
av.on("state", element, ({ model }) => {
  open = family.includes(model) ? null : model;
  tell();
});
av.on("opened", element, (network) => {
  hear(network);
  tell();
});
av.on("brought", element, (networks) => {
  networks.forEach(hear);
  tell();
});
av.on("reach", element, (states) => {
  for (const [id, state] of Object.entries(states)) {
    if (HERE.includes(state)) here.add(id);
    else here.delete(id);
  }
  tell();
});
// Networks that were asked for and are not there.
let heard = av.get("lost");
av.on("lost", element, (ids) => {
  if (ids === heard) return;
  heard = ids;
  const left = chosen().filter((id) => !ids.includes(id));
  for (const id of ids) {
    added.delete(id);
    here.delete(id);
  }
  av.put("compare", left.join(","));
});
