// What the board sends is shown; what is pressed is sent. No library, nothing from elsewhere.
"use strict";

const at = (id) => document.getElementById(id);
const BONES = [[0, 1], [1, 2], [2, 3], [3, 4], [0, 5], [5, 6], [6, 7], [7, 8], [5, 9], [9, 10], [10, 11], [11, 12],
  [9, 13], [13, 14], [14, 15], [15, 16], [13, 17], [17, 18], [18, 19], [19, 20], [0, 17]];
const SVG = "http://www.w3.org/2000/svg";
const SILENT_MS = 4000;   // without a word for so long the board is gone
const REFUSED_MS = 1500;  // between two tries where the browser itself gives up

let heard = 0, pictureWanted = false, shownText = null, shownHistory = "", shownTop = "";

function say(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

// --- the letter, its neighbours, the reason why there is none

function showLetter(state) {
  const letter = at("letter"), sure = Math.round(100 * state.confidence);
  say(letter, state.letter || (state.hand ? "?" : "–"));
  letter.className = state.letter ? (state.why.kind === "unsure" ? "unsure" : "") : "none";
  at("fill").style.transform = `scaleX(${state.hand ? state.confidence : 0})`;
  say(at("percent"), state.hand ? `${sure} %` : "\u00a0");
  const others = state.top.slice(1).filter(([, share]) => share >= 0.01);
  const words = others.map(([name, share]) => `${name} ${Math.round(100 * share)} %`);
  if (words.join() !== shownTop) {
    shownTop = words.join();
    at("top").replaceChildren(...words.map((word) => Object.assign(document.createElement("li"), { textContent: word })));
  }
  const why = at("why");
  why.dataset.kind = state.why.kind;
  if (state.why.sentence) say(at("sentence"), state.why.sentence);
}

// --- text and history; a letter that stays is left alone, so that a screen reader says the new ones only

function showText(text) {
  if (text === shownText) return;
  const box = at("text"), old = shownText || "";
  let same = 0;
  while (same < text.length && same < old.length && text[same] === old[same]) same++;
  while (box.childNodes.length > same) box.lastChild.remove();
  for (const letter of text.slice(same)) {
    const span = document.createElement("span");
    span.textContent = letter;
    if (shownText !== null) span.className = "new";
    box.append(span);
  }
  box.scrollTop = box.scrollHeight;
  shownText = text;
}

function showHistory(events) {
  const key = events.map((event) => event.letter + event.t).join();
  if (key === shownHistory) return;
  shownHistory = key;
  at("history").replaceChildren(...events.map((event) => {
    const item = document.createElement("li");
    item.append(event.letter, Object.assign(document.createElement("small"),
      { textContent: `${Math.round(100 * event.confidence)} %` }));
    return item;
  }));
}

// --- the picture and the hand over it

function shape(kind, values, name) {
  const element = document.createElementNS(SVG, kind);
  for (const [key, value] of Object.entries(values)) element.setAttribute(key, value);
  element.setAttribute("class", name);
  return element;
}

function showHand(state) {
  const [width, height] = state.size_px || [640, 480], skin = at("skin");
  at("hand").setAttribute("viewBox", `0 0 ${width} ${height}`);
  if (!state.hand) return skin.replaceChildren();
  const points = state.hand.points.map(([x, y]) => [x * width, y * height]);
  const [x0, y0, x1, y1] = state.hand.box.map((side, i) => side * (i % 2 ? height : width));
  const box = { x: x0, y: y0, width: x1 - x0, height: y1 - y0, rx: 0.02 * width };
  const line = ([a, b], name) =>
    shape("line", { x1: points[a][0], y1: points[a][1], x2: points[b][0], y2: points[b][1] }, name);
  const bones = points.length ? BONES : [], radius = Math.min(width / 160, box.width / 24);
  skin.setAttribute("class", state.why.kind && state.why.kind !== "hold" ? "waits" : "");
  skin.replaceChildren(shape("rect", box, "box-under"), shape("rect", box, "box"),
    ...bones.map((bone) => line(bone, "under")), ...bones.map((bone) => line(bone, "bone")),
    ...points.map(([x, y]) => shape("circle", { cx: x, cy: y, r: radius }, "joint")));
}

function startPicture() {
  const picture = at("picture");
  picture.hidden = !pictureWanted;
  at("dark").hidden = pictureWanted;
  if (pictureWanted) picture.src = `/picture?${Date.now()}`;
  else picture.removeAttribute("src");
}

// --- gauges

function showGauges(state) {
  say(at("fps"), state.rests ? "at rest" : `${state.fps.toFixed(1)} a second`);
  say(at("latency"), `${state.latency_ms} ms`);
  at("warm").hidden = state.temperature_c === null;
  if (state.temperature_c !== null) say(at("temperature"), `${state.temperature_c.toFixed(0)} °C`);
  say(at("camera"), `${state.camera.name}, ${state.camera.state}`);
}

// --- teaching

function makeAlphabet() {
  for (const letter of "ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.letter = letter;
    button.append(letter, document.createElement("small"));
    button.addEventListener("click", () => send(`/teach/${letter}`));
    at("alphabet").append(button);
  }
}

function showTeaching(teaching) {
  at("teach").hidden = !teaching;
  if (!teaching || !at("lesson").open) return;
  for (const button of at("alphabet").children) {
    const letter = button.dataset.letter, kept = teaching.kept[letter] || 0;
    button.className = teaching.recording === letter ? "now" : kept ? "kept" : "";
    button.disabled = teaching.busy || (teaching.recording !== null && teaching.recording !== letter);
    say(button.lastChild, teaching.recording === letter ? `${teaching.left_s.toFixed(1)} s` : kept ? `${kept}` : "");
  }
  at("lesson-forget").disabled = teaching.busy;
  at("lesson-try").disabled = teaching.busy || teaching.recording !== null || !Object.keys(teaching.kept).length;
  say(at("lesson-says"), teaching.says);
}

// --- talking with the board

async function send(path) {
  try {
    const answer = await fetch(path, { method: "POST" });
    if (answer.status === 401) location.assign("/login");
  } catch { connected(false); }
}

function connected(is) {
  const link = at("link");
  link.className = is ? "" : "lost";
  say(link, is ? "live" : "no connection, trying again");
}

function listen() {
  const events = new EventSource("/events");
  let begun = false;
  events.onmessage = (message) => {
    const state = JSON.parse(message.data);
    heard = performance.now();
    if (!begun || pictureWanted !== state.picture) {
      begun = true;
      pictureWanted = state.picture;
      startPicture();
    }
    connected(true);
    for (const show of [showLetter, showHand, showGauges]) show(state);
    showText(state.text);
    showHistory(state.history);
    showTeaching(state.teaching);
  };
  events.onerror = async () => {
    begun = false;
    connected(false);
    if (events.readyState !== EventSource.CLOSED) return;
    setTimeout(async () => {
      const answer = await fetch("/icon.svg").catch(() => null);
      if (answer && answer.status === 401) location.assign("/login");
      else listen();
    }, REFUSED_MS);
  };
}

for (const what of ["space", "delete", "clear"]) at(what).addEventListener("click", () => send(`/text/${what}`));
at("teach").addEventListener("click", () => at("lesson").showModal());
at("lesson-close").addEventListener("click", () => at("lesson").close());
at("lesson-try").addEventListener("click", () => send("/teach/learn"));
at("lesson-forget").addEventListener("click", () => send("/teach/forget"));
at("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
});
document.addEventListener("keydown", (event) => {
  if (event.target.closest("button, input, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
  const what = { " ": "space", Backspace: "delete" }[event.key];
  if (what) { event.preventDefault(); send(`/text/${what}`); }
});
at("picture").addEventListener("error", () => { if (pictureWanted) setTimeout(startPicture, REFUSED_MS); });
setInterval(() => { if (performance.now() - heard > SILENT_MS) connected(false); }, 1000);

if (localStorage.getItem("theme")) document.documentElement.dataset.theme = localStorage.getItem("theme");
makeAlphabet();
listen();
