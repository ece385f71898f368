// An affinity's query: the one that is drawn, the one that the server has settled, and whether a pointer moves it.
(() => {
  const av = window.attnviz;
  const same = (a, b) => Boolean(a && b) && a[0] === b[0] && a[1] === b[1];

  /** `changed()` is called when another query is drawn, or is pinned or let go. */
  function asking(changed) {
    let affinity = null;
    let layer = null;
    let mark = null; // by which an affinity is told from another of the same layer
    const now = { query: null, pinned: false }; // query: {cell, row, exact}
    let settled = null;

    function ask(query) {
      now.query = query;
      av.put("reading", { ...query, layer });
      changed();
    }

    /** A query's row: the server's where it is that one, else computed here from the factors. */
    const rowOf = (cell) => (same(cell, settled?.cell) ? settled : { cell, row: av.row(affinity, cell), exact: false });

    /** Whether a row from the server is of these factors, and not of the picture before. */
    function mine({ layer: of, query, map }) {
      const [rows, columns] = affinity.queries;
      if (of !== layer || query[0] >= rows || query[1] >= columns || map.data.length !== affinity.phi.shape[0]) return false;
      const own = av.row(affinity, query).data;
      const near = 1e-3 * own.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      return own.every((value, key) => Math.abs(value - map.data[key]) <= near);
    }

    return {
      now,
      /** Another block's affinity, or null; `name` is the block's, `data` what tells this affinity from another. */
      open(next, name, data) {
        now.pinned &&= next !== null && data === mark;
        [affinity, layer, mark, now.query, settled] = [next, name, data, null, null];
      },
      /** The server's row, as float32 from the record. */
      settle(row) {
        if (!affinity || !row || !mine(row)) return;
        settled = { cell: row.query, row: row.map, exact: true };
        // A later click, still on its way, waits for its own answer.
        if (!now.pinned || !now.query || same(now.query.cell, settled.cell) || !av.get("busy")) ask(settled);
      },
      /** Everything is answered: what is drawn is what all panels show. */
      rest() {
        if (affinity && settled && now.pinned && now.query !== settled) ask(settled);
      },
      look(cell) {
        if (affinity && !now.pinned && !same(cell, now.query?.cell)) ask(rowOf(cell));
      },
      leave() {
        if (affinity && !now.pinned && settled && now.query !== settled) ask(settled);
      },
      pin(cell) {
        now.pinned = true;
        ask(rowOf(cell));
      },
      release() {
        now.pinned = false;
        changed();
      },
      pinnedAt: (cell) => now.pinned && same(cell, now.query?.cell),
    };
  }

  av.asking = asking;
})();
