// One job as it goes on and what came of it: preview, before and after under one slider, figures, copies.

import { cancel, follow, make, memory, words } from "./jobs.js";

class Result extends HTMLElement {
  connectedCallback() {
    if (this.ready) return;
    this.ready = true;
    // Apart from what is said of a job that may still run.
    this.refusal = make("p", { class: "sentence refusal", role: "alert" });
    this.status = make("p", { class: "sentence", role: "status" });
    this.bar = make("progress", { max: "1", value: "0", "aria-label": "How far the job is" });
    this.stop = make("button", { type: "button", class: "plain" }, "Cancel");
    this.stop.onclick = () => cancel(this.job);
    this.line = make("div", { class: "result-line" }, this.bar, this.stop);
    this.stage = make("div", { class: "result-stage" });
    this.more = make("div", { class: "result-more" });
    this.append(this.refusal, this.status, this.line, this.stage, this.more);
    this.line.hidden = true;
    const known = memory.get(this.dataset.name);
    if (known) this.follow(known);
    else this.status.textContent = this.dataset.empty ?? "";
  }

  /** Say why a job was not taken; an earlier one goes on. */
  refuse(sentence) {
    this.refusal.textContent = sentence;
    this.reveal();
  }

  follow(id) {
    this.end?.();
    this.job = id;
    this.refusal.textContent = "";
    this.drawn = undefined;
    this.stage.replaceChildren();
    this.more.replaceChildren();
    memory.set(this.dataset.name, id);
    this.classList.add("running");
    this.end = follow(id, (job) => this.see(job));
  }

  /** Bring it into sight, where somebody asked for it and it is out of sight. */
  reveal() {
    const { top } = this.getBoundingClientRect();
    if (top < 0 || top > 0.6 * innerHeight) this.scrollIntoView({ block: "start" });
  }

  see(job) {
    if (job.state === "gone") memory.set(this.dataset.name, null);
    this.status.textContent = words(job);
    this.classList.toggle("failed", ["failed", "gone"].includes(job.state));
    this.classList.toggle("running", !job.final);
    this.line.hidden = job.final;
    this.bar.value = job.progress ?? 0;
    if (job.preview && !job.final) this.preview(job);
    if (job.state === "done") this.show(job);
    else if (job.final) this.stage.replaceChildren();
  }

  preview(job) {
    if (this.previewed === job.preview) return;
    this.previewed = job.preview;
    const image = new Image();
    image.alt = "The picture as it looks so far";
    image.src = job.preview;
    image.className = "result-preview";
    image.decode().then(() => this.drawn || this.stage.replaceChildren(image), () => {});
  }

  show(job) {
    if (this.drawn === job.id) return;
    this.drawn = job.id;
    this.choose(job, 0);
  }

  /** One of the job's pictures, large. */
  choose(job, index) {
    const image = job.images[index];
    this.stage.replaceChildren(compared(job.before, image.url, job.shape));
    const gallery = make("div", { class: "result-gallery", role: "group", "aria-label": "All results" });
    job.images.forEach((each, place) => {
      const caption = job.seeds[place] === undefined ? "" : `seed ${job.seeds[place]}, picture ${place + 1}`;
      const thumb = make("button", { type: "button", "aria-pressed": String(place === index) },
        make("img", { src: each.url, alt: caption, loading: "lazy" }), make("span", {}, caption));
      thumb.onclick = () => this.choose(job, place);
      gallery.append(thumb);
    });
    const links = job.images.length > 1 ? [gallery] : [];
    const download = make("a", { href: image.url, download: image.name, class: "button", "data-is": "download" }, "Download");
    this.more.replaceChildren(make("div", { class: "result-line" }, download, make("span", { class: "quiet" }, image.told)),
      ...links, ...figures(image.figures), ...copies(job.copies), ...remarks(job.warnings));
  }
}

/** Two pictures of one shape, one over the other, parted where the slider stands. */
export function compared(before, after, shape) {
  const frame = make("div", { class: "compare" });
  frame.style.setProperty("--shape", shape);
  const top = make("img", { src: after, alt: "After: the new light", class: "compare-after", draggable: false });
  const slider = make("input", { type: "range", min: "0", max: "100", step: "0.5", value: "50",
    "aria-label": "Before to the left, after to the right of the slider" });
  if (!before) {
    frame.append(top);
    return frame;
  }
  const part = () => frame.style.setProperty("--part", `${slider.value}%`);
  slider.addEventListener("input", part);
  part();
  frame.append(make("img", { src: before, alt: "Before: as photographed", draggable: false }), top,
    make("span", { class: "compare-edge", "aria-hidden": "true" }),
    make("span", { class: "compare-name" }, "before"), make("span", { class: "compare-name right" }, "after"), slider);
  return frame;
}

function figures(rows) {
  if (!rows?.length) return [];
  const table = make("table", {}, ...rows.map(([name, value, why]) =>
    make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, value), make("td", { class: "quiet" }, why))));
  return [make("details", { open: true }, make("summary", {}, "Measured against the photograph"), table)];
}

function remarks(warnings) {
  return (warnings ?? []).map((sentence) => make("p", { class: "quiet" }, sentence));
}

function copies(found) {
  if (!found?.length) return [];
  const shown = make("pre", { tabindex: "0" });
  const select = make("select", { "aria-label": "Copy as" }, ...found.map(([name], at) => make("option", { value: String(at) }, name)));
  const said = make("span", { class: "quiet", role: "status" });
  const draw = () => { shown.textContent = found[Number(select.value)][1]; said.textContent = ""; };
  select.onchange = draw;
  const button = make("button", { type: "button", class: "plain" }, "Copy");
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(shown.textContent);
      said.textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(shown);
      said.textContent = "Marked: copy it with your keyboard.";
    }
  };
  draw();
  return [make("details", {}, make("summary", {}, "Copy as"), make("div", { class: "result-line" }, select, button, said), shown)];
}

customElements.define("iclight-result", Result);
