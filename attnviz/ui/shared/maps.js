// What lies on a map: cells, rows of an affinity, strips, rings and crosses.
(() => {
  const av = window.attnviz;

  /** The cell, of n, that a place 0..1 lies in. */
  const cell = (place, n) => Math.min(Math.max(Math.floor(place * n), 0), n - 1);

  /** The product of a coordinate attention's strips: of one channel, or the mean over all. */
  function product(h, w, channel) {
    const [[count, rows], [, columns]] = [h.shape, w.shape];
    const sums = new Float64Array(rows * columns);
    const [from, to] = channel === null ? [0, count] : [channel, channel + 1];
    for (let c = from; c < to; c++)
      for (let i = 0; i < rows; i++)
        for (let j = 0; j < columns; j++) sums[i * columns + j] += h.data[c * rows + i] * w.data[c * columns + j];
    return { data: Float32Array.from(sums, (sum) => sum / (to - from)), h: rows, w: columns };
  }

  /** One strip's values: of one channel, or the mean over all. */
  function strip({ data, shape: [count, n] }, channel) {
    if (channel !== null) return data.subarray(channel * n, (channel + 1) * n);
    const mean = new Float32Array(n);
    for (let i = 0; i < n; i++) {
      let sum = 0;
      for (let c = 0; c < count; c++) sum += data[c * n + i];
      mean[i] = sum / count;
    }
    return mean;
  }

  /** The strips along the left and the lower edge of a box; returns the ends of their scale, which is theirs alone. */
  function strips(pen, [x, y, width, height], { h, w }, channel, { fixed, low, high, lut, smooth }, thick) {
    const [rows, columns] = [strip(h, channel), strip(w, channel)];
    const ends = fixed ? [low, high] : [Math.min(...rows, ...columns), Math.max(...rows, ...columns)];
    const options = { low: ends[0], high: ends[1], lut, smooth, alpha: 1 };
    av.overlay(pen, { data: rows, h: rows.length, w: 1 }, [0, y, thick, height], options);
    av.overlay(pen, { data: columns, h: 1, w: columns.length }, [x, y + height + 6, width, thick], options);
    return ends;
  }

  /** Row q of an affinity from its factors, as the server would compute it, in double precision. */
  function row({ theta, phi, queries, keys, pairwise, scale }, [i, j]) {
    const [count, depth] = phi.shape;
    const at = i * queries[1] + j;
    if (pairwise === "matrix") return { data: theta.data.slice(at * count, (at + 1) * count), shape: keys };
    const q = at * depth;
    const out = new Float64Array(count);
    for (let k = 0; k < count; k++) {
      let match = 0;
      for (let d = 0; d < depth; d++) {
        const [a, b] = [theta.data[q + d], phi.data[k * depth + d]];
        match += pairwise === "concatenation" ? a + b : a * b;
      }
      out[k] = match;
    }
    if (pairwise === "dot_product") out.forEach((match, k) => { out[k] = match / count; });
    else if (pairwise === "concatenation") out.forEach((match, k) => { out[k] = Math.max(match, 0) / count; });
    else {
      const top = out.reduce((a, b) => Math.max(a, b));
      const sum = out.reduce((total, match, k) => total + (out[k] = Math.exp((match - top) * scale)), 0);
      out.forEach((match, k) => { out[k] = match / sum; });
    }
    return { data: Float32Array.from(out), shape: keys };
  }

  /** A distribution's entropy against the uniform one's, as `attnviz.measures.entropy` has it. */
  function entropy(values) {
    if (values.length === 1) return 1;
    const sum = values.reduce((a, b) => a + b, 0) || 1;
    return values.reduce((total, p) => total - (p > 0 ? (p / sum) * Math.log(p / sum) : 0), 0) / Math.log(values.length);
  }

  /** A shape drawn light on dark, so that it is seen on any picture. */
  function twice(pen, trace) {
    for (const [style, width] of [["rgba(0, 0, 0, .65)", 4], ["#fff", 2]]) {
      [pen.strokeStyle, pen.lineWidth] = [style, width];
      pen.beginPath();
      trace();
      pen.stroke();
    }
  }

  function ring(pen, [x, y, width, height], [i, j], [rows, columns]) {
    const [w, h] = [width / columns, height / rows];
    twice(pen, () => pen.ellipse(x + (j + 0.5) * w, y + (i + 0.5) * h, Math.max(w / 2, 6), Math.max(h / 2, 6), 0, 0, 7));
  }

  /** A frame around a region (top, left, bottom, right) of a grid, never too small to be seen. */
  function outline(pen, [x, y, width, height], [top, left, bottom, right], [rows, columns]) {
    const [w, h] = [((right - left) * width) / columns, ((bottom - top) * height) / rows];
    const [wider, higher] = [Math.max(w, 12), Math.max(h, 12)];
    const [a, b] = [x + (left * width) / columns - (wider - w) / 2, y + (top * height) / rows - (higher - h) / 2];
    twice(pen, () => pen.rect(a, b, wider, higher));
  }

  /** Lines from a query to the keys that it reads most of, thicker where it reads more. */
  function links(pen, [x, y, width, height], [i, j], [rows, columns], { data, shape: [h, w] }, count = 5) {
    const strongest = Array.from(data.keys()).sort((a, b) => data[b] - data[a]).slice(0, count);
    const [from, most] = [[x + ((j + 0.5) * width) / columns, y + ((i + 0.5) * height) / rows], data[strongest[0]]];
    for (const key of strongest) {
      const to = [x + (((key % w) + 0.5) * width) / w, y + ((Math.floor(key / w) + 0.5) * height) / h];
      for (const [style, wider] of [["rgba(0, 0, 0, .55)", 2], ["rgba(255, 255, 255, .9)", 0]]) {
        [pen.strokeStyle, pen.lineWidth] = [style, wider + 1 + (2 * data[key]) / most];
        pen.beginPath();
        pen.moveTo(...from);
        pen.lineTo(...to);
        pen.stroke();
      }
    }
    return strongest;
  }

  function cross(pen, [x, y, width, height], { u, v }) {
    const [a, b] = [x + u * width, y + v * height];
    twice(pen, () => {
      pen.moveTo(a - 10, b);
      pen.lineTo(a + 10, b);
      pen.moveTo(a, b - 10);
      pen.lineTo(a, b + 10);
    });
  }

  /** How maps are drawn: as the view bar says, or as it starts. */
  const view = () => ({ map: "viridis", scale: "own", smooth: true, strength: 0.65, ...av.get("view") });

  /** A scale from one value to another: the view's colors, or for signed data the diverging ones around zero. */
  function scaled(low, high) {
    const { map, smooth, strength: alpha } = view();
    const most = Math.max(-low, high);
    const ends = low < 0 ? { low: -most, high: most, lut: av.luts.diverging } : { low, high, lut: av.luts[map] };
    return { ...ends, smooth, alpha };
  }

  /** A canvas's pen, as wide as the canvas lies and of the picture's shape (`aspect`: height over width). */
  function sheet(canvas, aspect) {
    const width = canvas.clientWidth;
    const height = Math.round(width * aspect);
    canvas.style.height = `${height}px`;
    return { pen: av.context(canvas, width, height), width, height };
  }

  /** The picture, and over the region of it that the network saw (`box`: another network's) a map; null for none. */
  function over(canvas, map, scale, { image = "large", aspect, box } = {}) {
    const picture = av.get("picture");
    const { pen, width, height } = sheet(canvas, aspect ?? picture.height / picture.width);
    pen.drawImage(picture[image], 0, 0, width, height);
    if (!map) return;
    const { data, shape: [h, w] } = map;
    const [left, top, right, bottom] = box ?? picture.box;
    av.overlay(pen, { data, h, w }, [left * width, top * height, (right - left) * width, (bottom - top) * height], scale);
  }

  Object.assign(av, { cell, product, strip, strips, row, entropy, links, ring, outline, cross, view, scaled, sheet, over });
})();
