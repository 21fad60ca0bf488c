// Show what the board sends, send what is pressed. No library, nothing from other servers.
"use strict";

const at = (id) => document.getElementById(id);
const BONES = [[0, 1], [1, 2], [2, 3], [3, 4], [0, 5], [5, 6], [6, 7], [7, 8], [5, 9], [9, 10], [10, 11], [11, 12],
  [9, 13], [13, 14], [14, 15], [15, 16], [13, 17], [17, 18], [18, 19], [19, 20], [0, 17]];
const SVG = "http://www.w3.org/2000/svg";
const SILENT_MS = 4000;   // the board is gone if it sends nothing for this long
const REFUSED_MS = 1500;  // between two attempts after the browser has given up

// by the clock on the wall, because the other one stands still while a phone sleeps
let events = null, heardAt = 0, pictureEnabled = false, shownText = null, shownHistory = "", shownTop = "";

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// --- the letter, other probable letters, and the hint why no letter is read

function showLetter(state) {
  const letter = at("letter"), sure = Math.round(100 * state.confidence);
  setText(letter, state.letter || (state.hand ? "?" : "–"));
  letter.className = state.letter ? (state.why.kind === "unsure" ? "unsure" : "") : "none";
  at("fill").style.transform = `scaleX(${state.hand ? state.confidence : 0})`;
  setText(at("percent"), state.hand ? `${sure} %` : "\u00a0");
  const others = state.top.slice(1).filter(([, probability]) => probability >= 0.01);
  const texts = others.map(([name, probability]) => `${name} ${Math.round(100 * probability)} %`);
  if (texts.join() !== shownTop) {
    shownTop = texts.join();
    at("top").replaceChildren(...texts.map((textContent) => Object.assign(document.createElement("li"), { textContent })));
  }
  const hint = at("why");
  hint.dataset.kind = state.why.kind;
  if (state.why.sentence) setText(at("sentence"), state.why.sentence);
}

// --- text and history; unchanged letters stay in place, so that a screen reader reads only new ones

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

function shape(tag, attributes, className) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.setAttribute("class", className);
  return element;
}

function showHand(state) {
  const [width, height] = state.size_px || [640, 480], skin = at("skin");
  at("hand").setAttribute("viewBox", `0 0 ${width} ${height}`);
  if (!state.hand) return skin.replaceChildren();
  const points = state.hand.points.map(([x, y]) => [x * width, y * height]);
  const [x0, y0, x1, y1] = state.hand.box.map((side, i) => side * (i % 2 ? height : width));
  const box = { x: x0, y: y0, width: x1 - x0, height: y1 - y0, rx: 0.02 * width };
  const line = ([a, b], className) =>
    shape("line", { x1: points[a][0], y1: points[a][1], x2: points[b][0], y2: points[b][1] }, className);
  const bones = points.length ? BONES : [], radius = Math.min(width / 160, box.width / 24);
  skin.setAttribute("class", state.why.kind && state.why.kind !== "hold" ? "waits" : "");
  skin.replaceChildren(shape("rect", box, "box-under"), shape("rect", box, "box"),
    ...bones.map((bone) => line(bone, "under")), ...bones.map((bone) => line(bone, "bone")),
    ...points.map(([x, y]) => shape("circle", { cx: x, cy: y, r: radius }, "joint")));
}

function startPicture() {
  const picture = at("picture");
  picture.hidden = !pictureEnabled;
  at("dark").hidden = pictureEnabled;
  if (pictureEnabled) picture.src = `picture?${Date.now()}`;
  else picture.removeAttribute("src");
}

// --- gauges

function showGauges(state) {
  setText(at("fps"), state.rests ? "resting" : `${state.fps.toFixed(1)} a second`);
  setText(at("latency"), `${state.latency_ms} ms`);
  at("warm").hidden = state.temperature_c === null;
  if (state.temperature_c !== null) setText(at("temperature"), `${state.temperature_c.toFixed(0)} °C`);
  setText(at("camera"), `${state.camera.name}, ${state.camera.state}`);
}

// --- teaching

function makeAlphabet() {
  for (const letter of "ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.letter = letter;
    button.append(letter, document.createElement("small"));
    button.addEventListener("click", () => send(`teach/${letter}`));
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
    setText(button.lastChild, teaching.recording === letter ? `${teaching.left_s.toFixed(1)} s` : kept ? `${kept}` : "");
  }
  at("lesson-forget").disabled = teaching.busy;
  at("lesson-try").disabled = teaching.busy || teaching.recording !== null || !Object.keys(teaching.kept).length;
  setText(at("lesson-says"), teaching.says);
}

// --- communication with the board

async function send(path) {
  try {
    const response = await fetch(path, { method: "POST" });
    if (response.status === 401) location.assign("login");
    if (response.status === 403) alert(await response.text());  // a proxy is set up wrong; it says how to mend it
  } catch { showConnection(false); }
}

function showConnection(isLive) {
  const link = at("link");
  link.className = isLive ? "" : "lost";
  setText(link, isLive ? "live" : "no connection, trying again");
  if (!isLive) clearGauges();
}

// what a board showed last is not true any more when it is gone
function clearGauges() {
  for (const id of ["letter", "fps", "latency", "temperature", "camera"]) setText(at(id), "–");
  at("letter").className = "none";
  at("fill").style.transform = "scaleX(0)";
  setText(at("percent"), "\u00a0");
  shownTop = "";
  at("top").replaceChildren();
  at("skin").replaceChildren();
  at("why").dataset.kind = "";
  at("picture").hidden = true;
  at("picture").removeAttribute("src");  // it would hold one of the browser's few connections
}

// A board that loses its power closes no connection, so an old one is given up after a silence.
function listen() {
  if (events) events.close();
  events = new EventSource("events");
  heardAt = Date.now();
  let started = false;
  events.onmessage = (message) => {
    const state = JSON.parse(message.data);
    heardAt = Date.now();
    if (!started || pictureEnabled !== state.picture) {
      started = true;
      pictureEnabled = state.picture;
      startPicture();
    }
    showConnection(true);
    for (const show of [showLetter, showHand, showGauges]) show(state);
    showText(state.text);
    showHistory(state.history);
    showTeaching(state.teaching);
  };
  events.onerror = async () => {
    started = false;
    showConnection(false);
    if (events.readyState !== EventSource.CLOSED) return;
    heardAt = Date.now();
    setTimeout(async () => {
      const response = await fetch("icon.svg").catch(() => null);
      if (response && response.status === 401) location.assign("login");
      else listen();
    }, REFUSED_MS);
  };
}

for (const command of ["space", "delete", "clear"]) at(command).addEventListener("click", () => send(`text/${command}`));
at("teach").addEventListener("click", () => at("lesson").showModal());
at("lesson-close").addEventListener("click", () => at("lesson").close());
at("lesson-try").addEventListener("click", () => send("teach/learn"));
at("lesson-forget").addEventListener("click", () => send("teach/forget"));
at("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
});
document.addEventListener("keydown", (event) => {
  if (event.target.closest("button, input, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
  const command = { " ": "space", Backspace: "delete" }[event.key];
  if (command) { event.preventDefault(); send(`text/${command}`); }
});
at("picture").addEventListener("error", () => { if (pictureEnabled && !at("picture").hidden) setTimeout(startPicture, REFUSED_MS); });
setInterval(() => {
  if (Date.now() - heardAt <= SILENT_MS) return;
  showConnection(false);
  listen();
}, 1000);

if (localStorage.getItem("theme")) document.documentElement.dataset.theme = localStorage.getItem("theme");
makeAlphabet();
listen();
