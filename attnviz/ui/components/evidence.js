const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const [method, target, against, progress] = [".method", ".target", ".against", ".progress"].map(at);

[[".by", words.method], [".for", words.target], [".versus", words.against]].forEach(([where, text]) => {
  at(where).textContent = text;
});
at("section").setAttribute("aria-label", words.heading);
method.replaceChildren(...props.methods.map((name) => av.node("option", { value: name, text: words[name] })));

let listed = null; // the classes that the lists hold
function show() {
  const value = props.value;
  if (!value) return;
  const { classes } = value;
  if (listed !== JSON.stringify(classes)) {
    listed = JSON.stringify(classes);
    at("datalist").replaceChildren(...classes.map((label) => av.node("option", { value: label })));
    against.replaceChildren(av.node("option", { value: "", text: words.nothing }),
      ...classes.map((label, index) => av.node("option", { value: index, text: label })));
  }
  method.value = value.method;
  target.value = classes[value.target];
  against.value = value.against ?? "";
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
target.addEventListener("focus", () => target.select());
target.addEventListener("change", () => {
  const name = target.value.trim().toLowerCase();
  const index = props.value.classes.findIndex((label) => label.toLowerCase() === name);
  if (index >= 0) av.send(trigger, { target: index });
  else {
    if (name) av.put("notice", av.fill(words.unknown, { name: target.value }));
    target.value = props.value.classes[props.value.target];
  }
});
watch("value", show);
show();
// A refused request leaves everything as it was.
av.on("busy", element, (busy) => busy || show());
