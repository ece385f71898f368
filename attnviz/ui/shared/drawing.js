// Drawing: color tables, maps on rasters, canvases that stay sharp, and colors from the theme.
(() => {
  const av = window.attnviz;

  /** A canvas's context scaled to CSS pixels, cleared; its size follows the element's. */
  const ratio = () => Math.min(window.devicePixelRatio || 1, 2);

  function context(canvas, width, height) {
    const scale = ratio();
    const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    return pen;
  }

  /** A map's values bilinearly on another grid, cell centers apart as the picture's pixels are. */
  function upsample({ data, h, w }, height, width) {
    const out = new Float32Array(height * width);
    const at = (n, count) => {
      const low = new Int32Array(count), high = new Int32Array(count), share = new Float32Array(count);
      for (let i = 0; i < count; i++) {
        const x = Math.min(Math.max(((i + 0.5) * n) / count - 0.5, 0), n - 1);
        low[i] = Math.floor(x);
        high[i] = Math.min(low[i] + 1, n - 1);
        share[i] = x - low[i];
      }
      return { low, high, share };
    };
    const rows = at(h, height), columns = at(w, width);
    for (let i = 0; i < height; i++) {
      const [top, bottom, f] = [rows.low[i] * w, rows.high[i] * w, rows.share[i]];
      for (let j = 0; j < width; j++) {
        const [left, right, g] = [columns.low[j], columns.high[j], columns.share[j]];
        const a = data[top + left] * (1 - g) + data[top + right] * g;
        const b = data[bottom + left] * (1 - g) + data[bottom + right] * g;
        out[i * width + j] = a * (1 - f) + b * f;
      }
    }
    return { data: out, h: height, w: width };
  }

  /** A map {data, h, w} in colors, one pixel a value. */
  function paint(map, low, high, lut) {
    const canvas = new OffscreenCanvas(map.w, map.h);
    const pen = canvas.getContext("2d");
    const image = pen.createImageData(map.w, map.h);
    const scale = high > low ? 255 / (high - low) : 0;
    for (let i = 0; i < map.data.length; i++) {
      const level = Math.min(Math.max(Math.round((map.data[i] - low) * scale), 0), 255) * 3;
      image.data[4 * i] = lut[level];
      image.data[4 * i + 1] = lut[level + 1];
      image.data[4 * i + 2] = lut[level + 2];
      image.data[4 * i + 3] = 255;
    }
    pen.putImageData(image, 0, 0);
    return canvas;
  }

  /** A map over a box of a drawing: smooth (values interpolated, then colored) or on its own grid. */
  function overlay(pen, map, box, { low, high, lut, smooth, alpha }) {
    const [x, y, width, height] = box;
    const cap = (n) => Math.max(1, Math.min(Math.round(n), 240));
    const fine = smooth ? upsample(map, cap(height), cap(width)) : map;
    pen.save();
    pen.globalAlpha = alpha;
    pen.imageSmoothingEnabled = smooth;
    pen.drawImage(paint(fine, low, high, lut), x, y, width, height);
    pen.restore();
  }

  /** The color bar of a table, over the whole of a canvas. */
  function bar(canvas, lut) {
    const map = { data: Float32Array.from({ length: 256 }, (_, i) => i), h: 1, w: 256 };
    const { clientWidth: width, clientHeight: height } = canvas;
    if (width) context(canvas, width, height).drawImage(paint(map, 0, 255, lut), 0, 0, width, height);
  }

  /** How many values lie where, as bars in a box, with the axis's ends and middle under it; one bar is lit. */
  function histogram(pen, element, { counts, low, high }, [x, y, width, height], lit) {
    const [step, most] = [width / counts.length, Math.max(...counts)];
    counts.forEach((count, bin) => {
      const tall = count ? Math.max((count / most) * height, 1.5) : 0;
      pen.fillStyle = color(element, bin === lit ? "accent" : "bar");
      pen.fillRect(x + bin * step, y + height - tall, step - 1, tall);
    });
    pen.fillStyle = color(element, "line");
    pen.fillRect(x, y + height, width, 1);
    pen.fillStyle = color(element, "second");
    pen.font = "11px system-ui, sans-serif";
    pen.textBaseline = "top";
    for (const [align, share] of [["left", 0], ["center", 0.5], ["right", 1]]) {
      pen.textAlign = align;
      pen.fillText(av.level(low + share * (high - low)), x + share * width, y + height + 5);
    }
  }

  /** A theme's color, as a canvas takes it. */
  const color = (element, name) => getComputedStyle(element).getPropertyValue(`--av-${name}`).trim();

  /** Call `draw` when the element's width or the theme changes. */
  function follow(element, draw) {
    let width = -1;
    new ResizeObserver(() => {
      if (element.clientWidth !== width) {
        width = element.clientWidth;
        draw();
      }
    }).observe(element);
    av.on("theme", element, draw);
  }

  const whenReady = () => {
    new MutationObserver(() => av.put("theme", document.body.className)).observe(document.body, {
      attributeFilter: ["class"],
    });
  };
  if (document.body) whenReady();
  else document.addEventListener("DOMContentLoaded", whenReady);

  Object.assign(av, { ratio, context, overlay, bar, histogram, color, follow });
})();
