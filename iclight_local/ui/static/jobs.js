// Jobs of this browser: asked for until they end, kept in mind over a reload.

const AGAIN_MS = 400;

export async function ask(path, how = {}) {
  const answer = await fetch(path, how);
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error);
  return found;
}

/** Ask for a job until it has ended; `seen` is told each state. Returns what stops the asking. */
export function follow(id, seen) {
  let stopped = false;
  const look = async () => {
    if (stopped) return;
    try {
      const job = await ask(`page/jobs/${id}`);
      if (stopped) return;
      seen(job);
      if (!job.final) setTimeout(look, AGAIN_MS);
    } catch (error) {
      if (stopped) return;
      if (error instanceof TypeError) {
        // The server cannot be reached just now; it may come back, and the job with it.
        seen({ id, state: "unreachable", final: false });
        setTimeout(look, 5 * AGAIN_MS);
      } else {
        seen({ id, state: "gone", final: true, error: error.message });
      }
    }
  };
  look();
  return () => (stopped = true);
}

export const cancel = (id) => ask(`page/jobs/${id}`, { method: "DELETE" });

/** What a page keeps over a reload, by a name of its own. */
export const memory = {
  get: (name) => JSON.parse(localStorage.getItem(`iclight ${name}`) ?? "null"),
  set: (name, value) => localStorage.setItem(`iclight ${name}`, JSON.stringify(value)),
};

export function words(job) {
  const percent = Math.round(100 * (job.progress ?? 0));
  const waiting = job.position > 0 ? `Waiting: ${job.position} before it.` : "Waiting.";
  const said = {
    queued: waiting,
    running: `Relighting: ${percent} %`,
    done: job.seeds?.length ? `Done: seed ${job.seeds[0]}.` : "Done.",
    failed: job.error,
    cancelled: "Cancelled.",
    gone: job.error,
    unreachable: "The server does not answer; it is asked again.",
  };
  return said[job.state] ?? job.state;
}

/** An element with attributes, properties where they are no text, and children. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function" || typeof value === "boolean") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}
