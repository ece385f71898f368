const av = window.attnviz;
const [select, caption] = [element.querySelector("select"), element.querySelector(".caption")];

element.querySelector("h2").textContent = props.words.heading;
for (const { id, name } of props.choices) select.append(av.node("option", { value: id, text: name }));

function show() {
  select.value = props.value;
  caption.textContent = props.choices.find(({ id }) => id === props.value)?.caption ?? "";
}

select.addEventListener("change", () => av.send(trigger, { model: select.value, query: null, channel: null, method: "grad_cam" }));
watch("value", show);
show();

// What another page asks of the state.
let heard = av.get("wish");
av.on("wish", element, (patch) => {
  if (patch !== heard) av.send(trigger, (heard = patch));
});
// A refused request leaves the model as it was.
av.on("busy", element, (busy) => busy || show());
