// The lamp: dragged around the subject, it writes the light in words, and shows the light map at once.
//
// The words are the knob `light` itself: the text field beside it stays the one place where the light stands.

// Of the pad's half: a key moves the lamp by more than what draws it to a word, so that it gets away from there.
const NEAR_A_WORD = 0.07;
const STEP = 0.1;
const RIM = 0.01;
// The lamp's way from the pad's middle to its edge, of the pad's half; its handle shall stay in sight.
const REACH = 0.92;

function direction(azimuth, elevation) {
  const [a, e] = [azimuth, elevation].map((degrees) => (degrees * Math.PI) / 180);
  return [Math.sin(a) * Math.cos(e), Math.sin(e), Math.cos(a) * Math.cos(e)];
}

class Lamp extends HTMLElement {
  connectedCallback() {
    if (this.ready) return;
    this.ready = true;
    this.words = JSON.parse(this.dataset.words);
    this.innerHTML = MARKUP;
    this.find = (name) => this.querySelector(`[data-is="${name}"]`);
    this.pad = this.find("pad");
    this.listen();
    this.adopt();
    this.waitForField();
    this.watchSubject();
  }

  /** Stand the picture that was given in the lamp's light, as soon as there is one. */
  watchSubject() {
    const place = document.querySelector("#subject");
    if (!place) {
      setTimeout(() => this.watchSubject(), 50);
      return;
    }
    const picture = this.find("picture");
    const look = () => {
      const given = place.querySelector("img");
      if (!given) picture.hidden = true;
      else if (picture.src !== given.src) picture.src = given.src;
    };
    picture.onload = () => (picture.hidden = false);
    picture.onerror = () => (picture.hidden = true);
    new MutationObserver(look).observe(place, { subtree: true, childList: true, attributeFilter: ["src"] });
    look();
  }

  /** The text field of the knob; it may be drawn later than this. */
  get field() {
    return document.querySelector("#light textarea, #light input");
  }

  waitForField() {
    if (!this.field) {
      setTimeout(() => this.waitForField(), 50);
      return;
    }
    this.field.addEventListener("input", () => {
      if (!this.writing) this.adopt();
    });
    this.adopt();
  }

  listen() {
    this.pad.addEventListener("pointerdown", (event) => {
      this.pad.setPointerCapture(event.pointerId);
      // Which side it is on is kept while it is dragged, over the rim, too.
      this.dragging = { behind: this.find("behind").checked };
      this.drag(event);
    });
    this.pad.addEventListener("pointermove", (event) => this.dragging && this.drag(event));
    for (const end of ["pointerup", "pointercancel"]) {
      this.pad.addEventListener(end, () => (this.dragging = null));
    }
    this.pad.addEventListener("keydown", (event) => this.key(event));
    for (const name of ["azimuth", "elevation", "tint", "colour", "kelvin", "softness", "intensity", "behind"]) {
      this.find(name).addEventListener("input", () => this.read(name));
    }
    for (const button of this.querySelectorAll("[data-word]")) {
      button.addEventListener("click", () => this.choose(button.dataset.word));
    }
    this.find("none").addEventListener("click", () => this.write(""));
  }

  /** A place on the pad, -1 to 1 to the right and up, before the subject or behind it; near a word it takes that. */
  place(x, y, behind) {
    const length = Math.hypot(x, y);
    if (length > 1) [x, y] = [x / length, y / length];
    const near = Object.keys(this.words).find((word) => {
      const [right, up, front] = direction(...this.words[word]);
      // What is at the rim is on both sides.
      const there = behind ? front < RIM : front > -RIM;
      return word !== "ambient" && there && Math.hypot(right - x, up - y) < NEAR_A_WORD;
    });
    if (near) {
      this.choose(near);
      return;
    }
    const depth = Math.sqrt(Math.max(0, 1 - x * x - y * y)) * (behind ? -1 : 1);
    this.turn((Math.atan2(x, depth) * 180) / Math.PI, (Math.asin(y) * 180) / Math.PI);
  }

  drag(event) {
    const box = this.pad.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * 2 - 1;
    const y = 1 - ((event.clientY - box.top) / box.height) * 2;
    this.place(x / REACH, y / REACH, this.dragging.behind);
  }

  key(event) {
    const moves = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    const [x, y] = direction(this.light.azimuth, this.light.elevation);
    this.place(x + move[0], y + move[1], this.find("behind").checked);
  }

  /** Turn the lamp to degrees; where they are a word's, it takes the word. */
  turn(azimuth, elevation) {
    const [a, e] = [Math.round(azimuth), Math.round(elevation)];
    const same = Object.keys(this.words).find((word) => word !== "ambient" && this.words[word].join() === `${a},${e}`);
    this.light.word = same ?? null;
    [this.light.azimuth, this.light.elevation] = [a, e];
    this.write(this.text());
  }

  choose(word) {
    this.light.word = word;
    [this.light.azimuth, this.light.elevation] = this.words[word];
    if (word === "ambient") this.light.softness = "";
    this.write(this.text());
  }

  /** Take over what a control says. */
  read(name) {
    const light = this.light;
    if (name === "azimuth" || name === "elevation") {
      this.turn(Number(this.find("azimuth").value), Number(this.find("elevation").value));
      return;
    }
    if (name === "behind") {
      const [x, y] = direction(light.azimuth, light.elevation);
      this.place(x, y, this.find("behind").checked);
      return;
    }
    const tint = name === "colour" || name === "kelvin" ? name : this.find("tint").value;
    light.tint = tint;
    light.colour = this.find("colour").value;
    light.kelvin = this.find("kelvin").value;
    light.softness = this.find("softness").value;
    light.intensity = Number(this.find("intensity").value);
    if (light.word === "ambient" && light.softness) light.softness = "";
    this.write(this.text());
  }

  text() {
    const { word, azimuth, elevation, tint, colour, kelvin, softness, intensity } = this.light;
    const words = [word ?? `azimuth=${azimuth} elevation=${elevation}`];
    if (tint === "colour") words.push(colour);
    if (tint === "kelvin") words.push(`${kelvin}K`);
    if (softness) words.push(softness);
    if (intensity !== 1) words.push(String(intensity));
    return words.join(" ");
  }

  /** Put a text into the field, as if it had been typed. */
  write(text) {
    const field = this.field;
    if (field && field.value !== text) {
      this.writing = true;
      const set = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), "value").set;
      set.call(field, text);
      field.dispatchEvent(new Event("input", { bubbles: true }));
      this.writing = false;
    }
    this.draw(text);
  }

  /** Show the light that stands in the field, however it came there. */
  adopt() {
    const text = this.field ? this.field.value : "";
    this.light = this.parsed(text);
    this.draw(text);
  }

  /** One light of a text; where there are several, or what this lamp does not know, the first that it does. */
  parsed(text) {
    const found = { word: null, azimuth: 0, elevation: 0, tint: "", colour: "#ff9040", kelvin: 3200, softness: "", intensity: 1 };
    const first = text.toLowerCase().replace(/\s*=\s*/g, "=").split(/(?<!=)\+/)[0];
    for (const part of first.trim().split(/\s+/)) {
      const [name, value] = part.split("=");
      if (part in this.words && !(part === "ambient" && found.word)) {
        found.word = part;
        [found.azimuth, found.elevation] = this.words[part];
      } else if ((name === "azimuth" || name === "elevation") && value !== undefined) {
        found[name] = Number(value) || 0;
      } else if (/^#[0-9a-f]{6}$/.test(part)) {
        [found.tint, found.colour] = ["colour", part];
      } else if (/^\d+k$/.test(part)) {
        [found.tint, found.kelvin] = ["kelvin", parseInt(part, 10)];
      } else if (["softbox", "sunlight", "spotlight"].includes(part)) {
        found.softness = part;
      } else if (/^\d*\.?\d+$/.test(part)) {
        found.intensity = Number(part);
      }
    }
    return found;
  }

  draw(text) {
    const { word, azimuth, elevation, tint, colour, kelvin, softness, intensity } = this.light;
    const [x, y, near] = direction(azimuth, elevation);
    const handle = this.find("handle");
    handle.style.left = `${50 * (1 + REACH * x)}%`;
    handle.style.top = `${50 * (1 - REACH * y)}%`;
    handle.classList.toggle("behind", near < -RIM);
    handle.classList.toggle("off", !text);
    handle.hidden = word === "ambient";
    this.find("hint").hidden = Boolean(text);
    const values = { azimuth, elevation, tint, colour, kelvin, softness, intensity };
    for (const [name, value] of Object.entries(values)) this.find(name).value = value;
    this.find("behind").checked = near < -RIM;
    this.find("colour").hidden = tint !== "colour";
    this.find("kelvin").hidden = tint !== "kelvin";
    const warmth = tint === "kelvin" ? `, ${kelvin} K` : "";
    this.find("degrees").textContent = text ? `${azimuth}°, ${elevation}°${warmth}` : "";
    for (const button of this.querySelectorAll("[data-word]")) {
      button.setAttribute("aria-pressed", String(Boolean(text) && button.dataset.word === word));
    }
    this.find("none").setAttribute("aria-pressed", String(!text));
    this.pad.setAttribute("aria-valuenow", String(azimuth));
    this.pad.setAttribute("aria-valuetext", text || "no light");
    this.show(text);
  }

  /** Fetch the light map; while one is on its way only the newest text waits. */
  show(text) {
    if (this.wanted === text) return;
    this.wanted = text;
    if (this.began === undefined) this.began = performance.now();
    if (this.loading) return;
    this.fetchMap();
  }

  fetchMap() {
    const text = this.wanted;
    const map = this.find("map");
    const sentence = this.find("sentence");
    if (!text) {
      map.hidden = true;
      sentence.textContent = "";
      this.began = undefined;
      return;
    }
    this.loading = true;
    const began = this.began;
    this.began = undefined;
    fetch(`page/light?light=${encodeURIComponent(text)}`)
      .then(async (answer) => {
        if (!answer.ok) throw new Error((await answer.json()).error);
        const url = URL.createObjectURL(await answer.blob());
        if (this.shown) URL.revokeObjectURL(this.shown);
        this.shown = map.src = url;
        await map.decode();
        map.alt = `The light map: ${text}`;
        map.hidden = false;
        sentence.textContent = "";
        // When it has been painted.
        requestAnimationFrame(() => setTimeout(() => performance.measure("light map", { start: began })));
      })
      .catch((error) => {
        map.hidden = true;
        sentence.textContent = error instanceof TypeError ? "The server does not answer." : error.message;
      })
      .finally(() => {
        this.loading = false;
        if (this.wanted !== text) this.fetchMap();
      });
  }
}

const MARKUP = `
  <div class="lamp-pad" data-is="pad" role="slider" tabindex="0" aria-label="Lamp: drag it, or use the arrow keys"
       aria-valuemin="-180" aria-valuemax="180" aria-valuenow="0">
    <img class="lamp-map" data-is="map" alt="" hidden>
    <img class="lamp-picture" data-is="picture" alt="" hidden>
    <svg class="lamp-subject" viewBox="0 0 100 125" aria-hidden="true">
      <path d="M50 22c10 0 17 8 17 19 0 8-4 15-9 19v8c16 4 27 12 29 26v8H13v-8c2-14 13-22 29-26v-8c-5-4-9-11-9-19 0-11 7-19 17-19z"/>
    </svg>
    <div class="lamp-handle" data-is="handle"></div>
    <div class="lamp-hint" data-is="hint" aria-hidden="true">No light yet: drag the lamp</div>
  </div>
  <div class="lamp-controls">
    <div class="lamp-words" role="group" aria-label="Where the light comes from">
      <button type="button" data-word="top-left" aria-label="top left">↖</button>
      <button type="button" data-word="top" aria-label="top">↑</button>
      <button type="button" data-word="top-right" aria-label="top right">↗</button>
      <button type="button" data-word="left" aria-label="left">←</button>
      <button type="button" data-word="front">front</button>
      <button type="button" data-word="right" aria-label="right">→</button>
      <button type="button" data-word="bottom-left" aria-label="bottom left">↙</button>
      <button type="button" data-word="bottom" aria-label="bottom">↓</button>
      <button type="button" data-word="bottom-right" aria-label="bottom right">↘</button>
      <button type="button" data-word="back">back</button>
      <button type="button" data-word="ambient">ambient</button>
      <button type="button" data-is="none">none</button>
    </div>
    <label>Azimuth <input type="range" data-is="azimuth" min="-180" max="180" step="1"></label>
    <label>Elevation <input type="range" data-is="elevation" min="-90" max="90" step="1"></label>
    <div class="lamp-line"><label><input type="checkbox" data-is="behind"> from behind</label><span data-is="degrees"></span></div>
    <label>Colour
      <select data-is="tint"><option value="">white</option><option value="colour">a colour</option><option value="kelvin">a temperature</option></select>
    </label>
    <input type="color" data-is="colour" aria-label="Colour of the light" hidden>
    <input type="range" data-is="kelvin" aria-label="Colour temperature in kelvin" min="1500" max="12000" step="100" hidden>
    <label>Type
      <select data-is="softness"><option value="">even</option><option>softbox</option><option>sunlight</option><option>spotlight</option></select>
    </label>
    <label>Intensity <input type="range" data-is="intensity" min="0" max="2" step="0.05"></label>
    <p class="sentence" data-is="sentence" role="alert"></p>
  </div>`;

customElements.define("iclight-lamp", Lamp);
