// At a panel's foot: what it shows, what that does not mean, and where to read more.
(() => {
  const av = window.attnviz;

  /** Open the page of texts at one of them. */
  function read(page, tries = 60) {
    if (tries === 60) document.querySelector('[role="tab"][data-tab-id="read"]')?.click();
    const found = document.getElementById(`read-${page}`);
    if (found?.clientHeight) {
      found.scrollIntoView();
      found.focus({ preventScroll: true });
    } else if (tries) requestAnimationFrame(() => read(page, tries - 1));
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

  av.about = about;
})();
