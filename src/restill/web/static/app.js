// The page: three tabs over one store.

import { api } from "./api.js";
import { listenForDrops } from "./drop.js";
import { notice, put, text } from "./dom.js";
import { percent, share } from "./format.js";
import { DerainForm, RainForm } from "./settings.js";
import { Store } from "./store.js";
import { joinTabs } from "./tabs.js";
import { Training } from "./training.js";
import { Workbench } from "./workbench.js";

const REMOVE = {
  invite: "Drop a rainy video here, and get it back without the rain.",
  start: "Remove the rain",
  try: "Try this moment",
  busy: "Cleaning this moment …",
  tried: "The moment is cleaned. Move the divider to compare.",
  sides: ["Before", "After"],
};
const MAKE = {
  invite: "Drop a dry video here, and get it back with rain.",
  start: "Make it rain",
  try: "Try this moment",
  busy: "Making rain …",
  tried: "The moment is ready. Move the divider to compare.",
  sides: ["Dry", "Rain"],
};

async function main() {
  const store = new Store();
  const [students, about] = await Promise.all([api.students(), api.about()]);
  const benches = {
    derain: new Workbench("derain", REMOVE, store, new DerainForm(students)),
    rain: new Workbench("rain", MAKE, store, new RainForm()),
  };
  const training = new Training();
  put(document.getElementById("panel-derain"), benches.derain.element);
  put(document.getElementById("panel-rain"), benches.rain.element);
  put(document.getElementById("panel-training"), training.element);
  text(document.getElementById("version"), `Restill ${about.version}`);
  let shown = "derain";
  joinTabs(document.getElementById("tabs"), (name) => {
    shown = name;
    training.follow(name === "training");
    if (name in benches) benches[name].update();
  });
  listenForDrops((found) => (benches[shown] ?? benches.derain).take(found));
  store.addEventListener("change", () => {
    const running = [...store.items.values()].find(({ state }) => state === "running");
    document.title = running ? `${percent(share(running))} · Restill` : "Restill";
  });
  await store.follow();
  document.body.classList.remove("loading");
}

main().catch((error) => {
  document.body.classList.remove("loading");
  notice(error.message);
});
