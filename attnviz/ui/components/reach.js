// Asked when the page opens, once more when slow servers have had time to answer, and when a list is opened again.
const av = window.attnviz;
const [AGAIN, RESTS] = [6000, 30000]; // milliseconds

let last = -Infinity;
async function ask() {
  if (!element.isConnected || performance.now() - last < AGAIN - 500) return;
  last = performance.now();
  try {
    av.put("reach", await server._reach());
  } catch { /* the page is left, or the server: what was known stands */ }
}

av.on("fetched", element, () => {
  last = -Infinity;
  ask();
});
av.on("looking", element, () => performance.now() - last > RESTS && ask());
setTimeout(ask, 500);
setTimeout(ask, 500 + AGAIN);
