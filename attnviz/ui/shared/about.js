// At a panel's foot: what it shows, what that does not mean, and where to read more.
(() => {
  const av = window.attnviz;

  const FRAMES = [90, 12]; // how long a text is waited for, and how long it has to stay where it is

  /** Open one of the tabs. */
  const go = (name) => [...document.querySelectorAll("[role=tab]")].find((tab) => tab.dataset.tabId === name)?.click();

  /** Open the page of texts at one of them. */
  function read(page) {
    go("read");
    follow(page, ...FRAMES);
  }

  /** Scroll to a text until it rests: the ones above it are still being laid out. */
  function follow(page, tries, rest, last = null) {
    const found = document.getElementById(`read-${page}`);
    const place = found?.clientHeight ? found.getBoundingClientRect().top + window.scrollY : null;
    if (place !== null && place !== last) found.scrollIntoView();
    const left = place === null || place !== last ? FRAMES[1] : rest - 1;
    if (tries && left) requestAnimationFrame(() => follow(page, tries - 1, left, place));
  }

  function about(element, words) {
    const card = element.querySelector(".av-card, .av-map");
    if (!words || !card) return;
    const [sees, not, page] = words.says;
    const more = av.node("a", { href: `#read-${page ?? ""}`, text: words.more });
    card.append(av.node("details", { class: "av-about" },
      av.node("summary", { text: words.summary }),
      av.node("p", {}, av.node("b", { text: words.sees }), ` ${sees}`),
      av.node("p", {}, av.node("b", { text: words.not }), ` ${not}`),
      more));
  }

  // The page has a base address of its own, to which a bare "#..." would lead. Without a name: the block's mechanism.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#read-"]');
    if (!link) return;
    event.preventDefault();
    read(link.getAttribute("href").slice("#read-".length) || av.get("mechanism") || "maps-colors-and-scales");
  });

  Object.assign(av, { about, go });
})();
