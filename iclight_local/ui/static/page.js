// What the page's buttons hand their jobs to.

import "./lamp.js";
import "./result.js";
import "./sheet.js";

window.iclight = {
  /** Follow what a button was told: a job, several by their lights, or a sentence. */
  follow(name, told) {
    const element = document.querySelector(`[data-name="${name}"]`);
    if (told.error) {
      element.refuse(told.error);
    } else {
      element.follow(told.jobs ?? told.job);
      element.reveal?.();
    }
  },
  /** Have the lamp show the light that stands in its field. */
  adopt() {
    document.querySelector("iclight-lamp")?.adopt();
  },
};
