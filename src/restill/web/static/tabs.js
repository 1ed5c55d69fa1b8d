// The three tabs, with the arrow keys of the ARIA pattern.

/** Join buttons of role tab with their panels; calls `shown` with the name of the tab that is shown. */
export function joinTabs(list, shown) {
  const tabs = [...list.querySelectorAll("[role=tab]")];
  const open = (tab, focus) => {
    for (const each of tabs) {
      const chosen = each === tab;
      each.setAttribute("aria-selected", String(chosen));
      each.tabIndex = chosen ? 0 : -1;
      document.getElementById(each.getAttribute("aria-controls")).hidden = !chosen;
    }
    if (focus) tab.focus();
    history.replaceState(null, "", `/#${tab.dataset.name}`); // without the token: the cookie has it
    shown(tab.dataset.name);
  };
  list.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) open(tab, false);
  });
  list.addEventListener("keydown", (event) => {
    const now = tabs.indexOf(document.activeElement);
    const to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined || now < 0) return;
    event.preventDefault();
    open(tabs[(to + tabs.length) % tabs.length], true);
  });
  open(tabs.find((tab) => tab.dataset.name === location.hash.slice(1)) ?? tabs[0], false);
}
