// Asked when the page opens, once more when slow servers have had time to answer, and when a list is opened again.
const av = window.attnviz;
const [AGAIN, RESTS] = [6000, 30000]; // milliseconds

let last = -Infinity;
function ask() {
  if (!element.isConnected || performance.now() - last < AGAIN) return;
  last = performance.now();
  trigger("select", {});
}

watch("value", () => av.put("reach", props.value));
av.on("fetched", element, () => {
  last = -Infinity;
  ask();
});
av.on("looking", element, () => performance.now() - last > RESTS && ask());
setTimeout(ask, 500);
setTimeout(ask, 500 + AGAIN);
