// A contact sheet: several jobs, one for each light, that come in as they end.

import { cancel, follow, make, memory, words } from "./jobs.js";

class Sheet extends HTMLElement {
  connectedCallback() {
    if (this.ready) return;
    this.ready = true;
    // Apart from what is said of a job that may still run.
    this.refusal = make("p", { class: "sentence refusal", role: "alert" });
    this.status = make("p", { class: "sentence", role: "status" });
    this.cells = make("div", { class: "sheet" });
    this.foot = make("div", { class: "result-line" });
    this.append(this.refusal, this.status, this.cells, this.foot);
    const known = memory.get("sheet");
    if (known) this.follow(known);
    else this.status.textContent = this.dataset.empty ?? "";
  }

  refuse(sentence) {
    this.refusal.textContent = sentence;
  }

  /** Follow jobs: their ids by the lights, in order. */
  follow(jobs) {
    for (const end of this.ends ?? []) end();
    memory.set("sheet", jobs);
    this.refusal.textContent = "";
    this.states = new Map();
    this.cells.replaceChildren();
    this.foot.replaceChildren(make("button", { type: "button", class: "plain", onclick: () => jobs.forEach(([, id]) => cancel(id)) }, "Cancel all"));
    this.ends = jobs.map(([light, id]) => {
      const picture = make("div", { class: "sheet-picture" });
      this.cells.append(make("figure", {}, picture, make("figcaption", {}, light)));
      return follow(id, (job) => {
        this.states.set(id, job);
        picture.textContent = job.state === "done" ? "" : words(job);
        if (job.state === "done") {
          picture.replaceChildren(make("a", { href: job.images[0].url, download: job.images[0].name },
            make("img", { src: job.images[0].url, alt: `Light: ${light}` })));
        }
        this.tell(jobs);
      });
    });
  }

  tell(jobs) {
    const states = jobs.map(([, id]) => this.states.get(id));
    const done = states.filter((job) => job?.state === "done").length;
    this.status.textContent = `${done} of ${jobs.length} lights.`;
    if (!states.every((job) => job?.final)) return;
    const ids = jobs.filter(([, id]) => this.states.get(id).state === "done").map(([, id]) => id);
    this.foot.replaceChildren(...(ids.length
      ? [make("a", { class: "button", href: `page/sheet?jobs=${ids.join(",")}`, download: "sheet.png", "data-is": "download" }, "Download the sheet")]
      : []));
  }
}

/** All jobs of this browser, the newest first. */
class Jobs extends HTMLElement {
  connectedCallback() {
    if (this.ready) return;
    this.ready = true;
    this.list = make("div", { class: "jobs" });
    this.append(this.list);
    // Asked for only while somebody looks.
    new IntersectionObserver(([seen]) => {
      clearInterval(this.again);
      if (!seen.isIntersecting) return;
      this.look();
      this.again = setInterval(() => this.look(), 1500);
    }).observe(this);
  }

  async look() {
    const answer = await fetch("page/jobs").catch(() => null);
    if (!answer?.ok) return;
    const { jobs } = await answer.json();
    const told = JSON.stringify(jobs);
    if (told === this.told) return;
    this.told = told;
    if (!jobs.length) {
      this.list.replaceChildren(make("p", { class: "quiet" }, "No job of this browser is kept."));
      return;
    }
    this.list.replaceChildren(...jobs.map((job) => this.row(job)));
  }

  row(job) {
    const doing = job.final
      ? (job.images ?? []).map((each) => make("a", { href: each.url, download: each.name }, make("img", { src: each.url, alt: each.name, loading: "lazy" })))
      : [make("button", { type: "button", class: "plain", onclick: () => cancel(job.id).then(() => this.look()) }, "Cancel")];
    const when = new Date(job.created * 1000).toLocaleString();
    return make("article", { class: `job ${job.state}` },
      make("div", {}, make("strong", {}, job.what), " ", make("span", { class: "quiet" }, when)),
      make("div", {}, words(job)), make("div", { class: "job-pictures" }, ...doing));
  }
}

customElements.define("iclight-sheet", Sheet);
customElements.define("iclight-jobs", Jobs);
