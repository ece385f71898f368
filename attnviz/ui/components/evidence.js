const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const [method, target, against, other, progress] = [".method", ".target", ".against", ".other", ".progress"].map(at);
const [layer, scored, whole] = [".layer", ".scored", ".whole"].map(at);
const STANDING = ["grad_cam", "guided_grad_cam"]; // the methods that stand on a layer
const FEW = 20; // classes that one can choose from a list; of more, one is typed

[[".by", words.method], [".for", words.target], [".versus", words.against], [".on", words.layer]].forEach(([where, text]) => {
  at(where).textContent = text;
});
at("section").setAttribute("aria-label", words.heading);
method.replaceChildren(...props.methods.map((name) => av.node("option", { value: name, text: words[name] })));

let listed = null; // the classes that the lists hold
function show() {
  const value = props.value;
  if (!value) return;
  const { classes, layers, where } = value;
  element.querySelector("section").hidden = !classes.length && !where; // without scores there is no evidence
  for (const label of element.querySelectorAll("label")) label.hidden = !classes.length;
  at(".stand").hidden ||= !STANDING.includes(value.method);
  scored.hidden = !where;
  at(".where").textContent = where ?? "";
  if (at("#av-layers").childElementCount !== layers.length || at("#av-layers option")?.value !== layers[0]) {
    at("#av-layers").replaceChildren(...layers.map((name) => av.node("option", { value: name })));
  }
  layer.value = value.layer ?? "";
  if (listed !== JSON.stringify(classes)) {
    listed = JSON.stringify(classes);
    av.put("classes", classes);
    against.hidden = classes.length > FEW;
    other.hidden = !against.hidden;
    at("#av-classes").replaceChildren(...classes.map((label) => av.node("option", { value: label })));
    against.replaceChildren(av.node("option", { value: "", text: words.nothing }),
      ...(against.hidden ? [] : classes.map((label, index) => av.node("option", { value: index, text: label }))));
  }
  method.value = value.method;
  target.value = classes[value.target] ?? "";
  against.value = value.against ?? "";
  other.value = classes[value.against] ?? "";
  for (const option of against.options) option.disabled = option.value === String(value.target);
  const busy = av.get("busy") && value.progress; // an answer without this part ends it too
  progress.hidden = !busy;
  if (!busy) return;
  av.alive();
  const share = Math.round(100 * busy.share);
  progress.style.setProperty("--share", `${share}%`);
  progress.setAttribute("aria-valuenow", share);
  progress.setAttribute("aria-label", busy.text);
  progress.querySelector("span").textContent = busy.text;
}

method.addEventListener("change", () => av.send(trigger, { method: method.value }));
against.addEventListener("change", () => av.send(trigger, { against: against.value === "" ? null : Number(against.value) }));
other.placeholder = words.nothing;
for (const field of [target, other]) {
  field.addEventListener("focus", () => field.select());
  field.addEventListener("change", () => typed(field, field === target ? "target" : "against"));
}

layer.title = words.layer_hint;
layer.addEventListener("focus", () => layer.select());
layer.addEventListener("change", () => {
  const [name, { layers }] = [layer.value.trim(), props.value];
  if (!name || layers.includes(name)) av.send(trigger, { cam_layer: name || null });
  else {
    av.put("notice", av.fill(words.no_layer, { name }));
    layer.value = props.value.layer ?? "";
  }
});
whole.textContent = words.whole;
whole.addEventListener("click", () => {
  const [rows, columns] = props.value.grid;
  av.send(trigger, { region: [0, 0, rows, columns] });
});

/** A class by its name; nothing stands for none to be against. */
function typed(field, what) {
  const name = field.value.trim().toLowerCase();
  const index = props.value.classes.findIndex((label) => label.toLowerCase() === name);
  if (index >= 0) av.send(trigger, { [what]: index });
  else if (!name && what === "against") av.send(trigger, { against: null });
  else {
    if (name) av.put("notice", av.fill(words.unknown, { name: field.value }));
    field.value = props.value.classes[props.value[what]] ?? "";
  }
}
watch("value", show);
show();
// A refused request leaves everything as it was.
av.on("busy", element, (busy) => busy || show());
