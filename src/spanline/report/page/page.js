"use strict";
// The page's one script. It unpacks the questions (see report/columns.py), filters them by what stands behind the `#` of
// the address, and shows them. Texts of a data set reach the page by text nodes alone: there is no markup made here.

const ROW = 66; // pixels of a row of the list: page.css has the same
const FEW = 6; // candidates shown at first
const SPARE = 8; // rows drawn beyond what is seen
const MARGINS = [["close call: under half a logit", 0, 50], ["half to 2 logits", 50, 200], ["2 to 5 logits", 200, 500],
  ["sure: over 5 logits", 500, Infinity]]; // hundredths of a logit
const FLIPS = ["both right", "only A right", "only B right", "both wrong"];
const LABELS = ["asked once", "asked again", "asked again, with contradicting labels"];
const ORDERS = ["most confident first", "least confident first", "as in the data"];

const $ = (id) => document.getElementById(id);
let data = null; // what `unpack` gives
let shown = []; // question numbers that match, in order
let current = -1; // question number in the detail
let showsAll = false; // candidates beyond the first FEW

// Elements.

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const count = (number) => number.toLocaleString("en-US");
const fixed = (number, digits) => number.toFixed(digits).replace("-", "\u2212");
const percent = (share) => (share > 0 && share < 0.001 ? "<0.1" : share < 1 && share > 0.999 ? ">99.9" : (100 * share).toFixed(1)) + " %";

// Unpacking.

async function unpack() {
  const text = Array.from($("data-text").childNodes, (node) => node.textContent).join("");
  $("data-text").remove();
  const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const length = new DataView(bytes.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const columns = {};
  let place = 4 + length;
  for (const [name, size, planes, isSigned] of header.columns) {
    columns[name] = column(bytes.subarray(place, place + size * planes), size, planes, isSigned);
    place += size * planes;
  }
  return prepared(header, columns);
}

function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

function column(bytes, size, planes, isSigned) {
  const numbers = new Uint32Array(size);
  for (let plane = 0; plane < planes; plane++) {
    for (let at = 0; at < size; at++) numbers[at] |= bytes[plane * size + at] << (8 * plane);
  }
  if (!isSigned) return numbers;
  return Int32Array.from(numbers, (number) => (number & 1 ? -((number + 1) / 2) : number / 2));
}

function sums(counts) {
  const bounds = new Uint32Array(counts.length + 1);
  counts.forEach((each, at) => { bounds[at + 1] = bounds[at] + each; });
  return bounds;
}

function prepared(header, columns) {
  const total = header.texts.id.length;
  const runs = header.runs.map((run, number) => {
    const of = (name) => columns[name + number];
    const bounds = sums(of("spans"));
    return { ...run, kind: of("kind"), f1: of("f1"), answered: of("answered"), naProb: of("na_prob"),
      nullScore: of("null_score"), bounds, start: of("start"), length: of("length"), score: scores(of("drop"), bounds) };
  });
  const made = { ...header, ...header.texts, total, runs, columns, goldBounds: sums(columns.golds), plain: new Map() };
  for (const run of runs) run.confidence = confidences(run, total);
  made.number = new Map(header.texts.id.map((id, number) => [id, number]));
  made.dimensions = dimensions(made);
  return made;
}

function scores(drops, bounds) {
  const found = Int32Array.from(drops);
  for (let question = 0; question + 1 < bounds.length; question++) {
    for (let at = bounds[question] + 1; at < bounds[question + 1]; at++) found[at] = found[at - 1] - drops[at];
  }
  return found;
}

// The probability that the model gives to its own answer: no answer, or this span if there is an answer.
function confidences(run, total) {
  const found = new Float32Array(total);
  for (let question = 0; question < total; question++) {
    const none = run.naProb[question] / 1e6;
    found[question] = run.answered[question] ? (1 - none) * shareOfFirst(run, question) : none;
  }
  return found;
}

function shareOfFirst(run, question) {
  const first = run.bounds[question];
  let sum = 0;
  for (let at = first; at < run.bounds[question + 1]; at++) sum += Math.exp((run.score[at] - run.score[first]) / 100);
  return sum ? 1 / sum : 0;
}

function margin(question) {
  const run = data.runs[0];
  if (run.bounds[question] === run.bounds[question + 1]) return Infinity; // no legal span
  return run.nullScore[question] - run.score[run.bounds[question]] - Math.round(100 * run.threshold);
}

// Filters. A dimension puts each question into one of its values (a number), or none (-1).

function dimensions(made) {
  const found = [];
  const single = made.runs.length === 1;
  if (!single) {
    found.push({ name: "flip", values: FLIPS, of: (q) => 2 * (made.runs[0].kind[q] !== 0) + (made.runs[1].kind[q] !== 0) });
    found[0].of = (q) => [0, 1, 2, 3][(made.runs[0].kind[q] === 0 ? 0 : 2) + (made.runs[1].kind[q] === 0 ? 0 : 1)];
  }
  made.runs.forEach((run, number) => found.push({ name: single ? "kind" : "kind of " + "AB"[number], values: made.kinds, of: (q) => run.kind[q] }));
  made.slicings.forEach((slicing, number) => {
    const values = made.columns["slicing" + number];
    found.push({ name: slicing.name, values: slicing.values, of: (q) => values[q] - 1 });
  });
  found.push({ name: "margin", values: MARGINS.map((each) => each[0]), of: (q) => {
    const size = Math.abs(margin(q));
    return MARGINS.findIndex(([, low, high]) => size >= low && size < high || size === high);
  } });
  found.push({ name: "label", values: LABELS, of: (q) => made.columns.repeats[q] });
  found.push({ name: "article", values: made.title, of: (q) => made.columns.title[q] });
  return found;
}

const ERRORS = "errors";
const isKind = (dimension) => dimension.name === "kind";

// A chosen value as the set of numbers that it stands for; null: all.
function chosen(dimension, value) {
  if (!value || value === "all") return null;
  if (isKind(dimension) && value === ERRORS) return new Set([1, 2, 3]);
  return new Set([dimension.values.indexOf(value)]);
}

function route() {
  const [tab, query] = decodeURIComponent(location.hash.slice(1)).includes("?") || location.hash.includes("?")
    ? [location.hash.slice(1, location.hash.indexOf("?")), location.hash.slice(location.hash.indexOf("?") + 1)]
    : [location.hash.slice(1), ""];
  return { tab: ["questions", "data"].includes(tab) && $(tab) ? tab : "overview", query: new URLSearchParams(query) };
}

function address(query) {
  const text = query.toString();
  return "#questions" + (text ? "?" + text : "");
}

function withValue(query, name, value) {
  const changed = new URLSearchParams(query);
  if (value) changed.set(name, value); else changed.delete(name);
  return changed;
}

function usual(query) {
  const full = new URLSearchParams(query);
  if (data.runs.length === 1 && !full.has("kind")) full.set("kind", ERRORS);
  return full;
}

function matches(query) {
  const sets = data.dimensions.map((dimension) => chosen(dimension, query.get(dimension.name)));
  const text = (query.get("text") || "").trim().toLowerCase();
  const hits = text ? textHits(text) : null;
  const counts = data.dimensions.map((dimension) => new Uint32Array(dimension.values.length));
  const found = [];
  const score = { questions: 0, exact: 0, f1: 0, exactB: 0, f1B: 0 }; // of what matches, right or wrong
  for (let question = 0; question < data.total; question++) {
    if (hits && !hits(question)) continue;
    let missed = -1; // the one dimension that this question does not match
    let misses = 0;
    for (let at = 0; at < sets.length && misses < 2; at++) {
      if (sets[at] && !sets[at].has(data.dimensions[at].of(question))) { missed = at; misses++; }
    }
    if (misses > 1) continue;
    for (let at = 0; at < sets.length; at++) {
      if (misses === 0 || missed === at) {
        const value = data.dimensions[at].of(question);
        if (value >= 0) counts[at][value]++;
      }
    }
    if (misses === 0) found.push(question);
    if (misses === 0 || isKind(data.dimensions[missed])) add(score, question);
  }
  return { found, counts, score };
}

function add(score, question) {
  score.questions++;
  score.exact += data.runs[0].kind[question] === 0;
  score.f1 += data.runs[0].f1[question] / 1e6;
  if (data.runs[1]) {
    score.exactB += data.runs[1].kind[question] === 0;
    score.f1B += data.runs[1].f1[question] / 1e6;
  }
}

// Question text, context, gold and predicted texts all lie in the question or in its context, or are its id.
function textHits(text) {
  const inContext = data.context.map((context) => lower(context).includes(text));
  return (question) => inContext[data.columns.context[question]] || lower(data.question[question]).includes(text) ||
    data.id[question].toLowerCase() === text;
}

function lower(text) {
  let found = data.plain.get(text);
  if (found === undefined) data.plain.set(text, found = text.toLowerCase());
  return found;
}

function inOrder(found, order) {
  if (order === ORDERS[2]) return found;
  const confidence = data.runs[data.runs.length - 1].confidence;
  const sign = order === ORDERS[1] ? -1 : 1;
  return found.sort((a, b) => sign * (confidence[b] - confidence[a]) || a - b);
}

// The filter bar.

function showFilters(query, counts) {
  const form = $("filters");
  const focused = document.activeElement && document.activeElement.name;
  const search = form.elements.text || el("input", { type: "search", name: "text", placeholder: "Search texts  ( / )", "aria-label": "Search questions and contexts", autocomplete: "off", spellcheck: "false" });
  if (focused !== "text") search.value = query.get("text") || "";
  const kinds = data.dimensions.findIndex((dimension) => dimension.name === (data.runs.length > 1 ? "flip" : "kind"));
  const selects = data.dimensions.map((dimension, at) => (at === kinds ? null : select(dimension.name, dimension.values, counts[at], query.get(dimension.name))));
  const more = form.querySelector("details");
  const chips = kindChips(query, data.dimensions[kinds], counts[kinds]);
  const used = [...query.keys()].filter((name) => !["id", "text", "kind", "flip"].includes(name)).length;
  const details = el("details", { class: "more", open: more ? more.open : window.innerWidth >= 800 },
    el("summary", {}, "Filters" + (used ? " (" + used + ")" : "")), el("div", { class: "selects" }, ...selects, select("order", ORDERS, null, query.get("order") || ORDERS[0])));
  form.replaceChildren(chips, search, details, el("a", { class: "clear", href: "#questions" }, "Clear"));
  if (focused && form.elements[focused]) form.elements[focused].focus();
}

function kindChips(query, dimension, counts) {
  const value = query.get(dimension.name) || "all";
  const total = counts.reduce((sum, each) => sum + each, 0);
  const options = [["all", total], ...(isKind(dimension) ? [[ERRORS, total - counts[0]]] : []), ...dimension.values.map((name, at) => [name, counts[at]])];
  const links = options.map(([name, number]) => {
    const at = dimension.values.indexOf(name);
    const plain = withValue(withValue(query, "id", ""), dimension.name, name);
    return el("a", { href: address(plain), class: "chip " + dimension.name + (at >= 0 ? " k" + at : ""), "aria-current": name === value ? "true" : null }, name + " ", el("b", {}, count(number)));
  });
  return el("div", { class: "chips" }, ...links);
}

function select(name, values, counts, value) {
  const options = values.map((each, at) => {
    if (counts && !counts[at] && each !== value) return null;
    return el("option", { value: each, selected: each === value }, counts ? each + " (" + count(counts[at]) + ")" : each);
  });
  const any = name === "order" ? [] : [el("option", { value: "" }, "any " + name)];
  return el("select", { name, "aria-label": name, class: value && name !== "order" ? "used" : "" }, ...any, ...options);
}

function showSummary(query, result) {
  const { questions, exact, f1, exactB, f1B } = result.score;
  const line = el("span", {});
  const rate = (sum) => (questions ? fixed(100 * sum / questions, 1) : "\u2013");
  if (data.runs.length > 1) {
    line.append(el("b", {}, count(result.found.length)), " questions; of these A: ", el("b", {}, rate(exact)), " exact, " + rate(f1) + " F1; B: ", el("b", {}, rate(exactB)), " exact, " + rate(f1B) + " F1");
  } else {
    line.append(el("b", {}, rate(exact)), " exact, ", el("b", {}, rate(f1)), " F1 of ", el("b", {}, count(questions)), " questions" + said(query));
    if (result.found.length !== questions) line.append(" \u00b7 shown: " + count(result.found.length) + " (" + query.get("kind") + ")");
  }
  $("summary").replaceChildren(line, el("a", { href: address(withValue(query, "id", "")), class: "permalink", title: "Link to this filter" }, "link"));
}

function said(query) {
  const parts = data.dimensions.filter((dimension) => !isKind(dimension) && query.get(dimension.name)).map((dimension) => dimension.name + ": " + query.get(dimension.name));
  if (query.get("text")) parts.push("with \u201c" + query.get("text").trim() + "\u201d");
  return parts.length ? " (" + parts.join("; ") + ")" : "";
}

// The list: only the rows that are seen are in the document.

function showRows() {
  const list = $("list");
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - SPARE);
  const last = Math.min(shown.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + SPARE);
  $("rows").style.height = shown.length * ROW + "px";
  const query = route().query;
  const rows = [];
  for (let place = first; place < last; place++) {
    const row = rowOf(shown[place], query);
    row.style.transform = "translateY(" + place * ROW + "px)";
    rows.push(row);
  }
  if (!rows.length) rows.push(el("p", { class: "none" }, "No question matches. Take a filter back, or clear them all."));
  $("rows").replaceChildren(...rows);
}

function rowOf(question, query) {
  const links = withValue(query, "id", data.id[question]);
  const marks = data.runs.map((run) => el("span", { class: "badge k" + run.kind[question] }, data.kinds[run.kind[question]]));
  const answer = el("span", { class: "answer" }, ...data.runs.flatMap((run, number) => [number ? " \u2502 " : "", answerOf(run, question)]));
  if (data.runs.every((run) => run.kind[question] !== 0)) answer.append(" \u2260 ", firstGold(question));
  const flag = data.columns.repeats[question] === 2 ? el("span", { class: "flag", title: "asked again, with a contradicting label" }, "labels contradict") : null;
  return el("a", { class: "row", href: address(links), "aria-current": question === current ? "true" : null },
    el("span", { class: "asked", dir: "auto" }, data.question[question]),
    el("span", { class: "under" }, ...marks, flag || "", answer, el("span", { class: "sure" }, percent(data.runs[data.runs.length - 1].confidence[question]))));
}

function spanText(question, start, length) {
  const context = data.context[data.columns.context[question]];
  return context.slice(start, start + length);
}

function answerOf(run, question) {
  if (!run.answered[question]) return el("i", {}, "no answer");
  const at = run.bounds[question];
  return el("bdi", {}, spanText(question, run.start[at], run.length[at]));
}

function firstGold(question) {
  const [first] = golds(question);
  return first ? el("bdi", {}, spanText(question, first[0], first[1])) : el("i", {}, "no answer");
}

function golds(question) {
  const found = [];
  for (let at = data.goldBounds[question]; at < data.goldBounds[question + 1]; at++) {
    found.push([data.columns.gold_start[at], data.columns.gold_length[at]]);
  }
  return found;
}

// The detail.

function showDetail() {
  const panel = $("detail");
  document.body.classList.toggle("reading", current >= 0);
  if (current < 0) {
    panel.replaceChildren(el("p", { class: "none" }, "Choose a question. The keys j and k go through them; ? lists all keys."));
    return;
  }
  const question = current;
  const place = shown.indexOf(question);
  const query = route().query;
  panel.replaceChildren(...[
    el("div", { class: "bar" }, el("a", { class: "back", href: address(withValue(query, "id", "")) }, "\u2190 list"), step(place, -1, "\u2191 before"), step(place, 1, "\u2193 next"),
      el("span", { class: "where" }, place < 0 ? "not among those listed" : count(place + 1) + " of " + count(shown.length)),
      el("a", { class: "permalink", href: "#questions?kind=all&id=" + encodeURIComponent(data.id[question]), title: "Link to this question" }, data.id[question])),
    el("p", { class: "title" }, el("bdi", {}, data.title[data.columns.title[question]])),
    el("h2", { dir: "auto" }, data.question[question]),
    repeated(question),
    el("div", { class: "answers" }, goldBox(question), ...data.runs.map((run, number) => answerBox(run, question, number))),
    contextOf(question),
    el("div", { class: "candidates" }, ...data.runs.map((run, number) => nbest(run, question, number)))].filter(Boolean));
  if (showDetail.last !== question) panel.scrollTop = 0;
  showDetail.last = question;
}

function step(place, by, says) {
  const next = shown[place + by];
  if (place < 0 || next === undefined) return el("span", { class: "step off" }, says);
  return el("a", { class: "step", href: address(withValue(route().query, "id", data.id[next])) }, says);
}

function repeated(question) {
  if (!data.columns.repeats[question]) return null;
  const same = (q) => data.columns.context[q] === data.columns.context[question] && plainQuestion(q) === plainQuestion(question) && q !== question;
  const others = [];
  for (let q = 0; q < data.total; q++) if (same(q)) others.push(q);
  const both = data.columns.repeats[question] === 2;
  const links = others.map((q) => el("a", { href: "#questions?kind=all&id=" + encodeURIComponent(data.id[q]) }, data.columns.answerable[q] ? "answerable" : "unanswerable"));
  return el("p", { class: both ? "warning" : "hint" }, both ? "Contradicting labels: the same question is asked of this context again, there as " : "The same question is asked of this context again, there as ", ...links.flatMap((link, at) => (at ? [", ", link] : [link])), ".");
}

const plainQuestion = (q) => data.question[q].toLowerCase().split(/\s+/).filter(Boolean).join(" ");

function goldBox(question) {
  const texts = [...new Set(golds(question).map(([start, length]) => spanText(question, start, length)))];
  const said = texts.length ? texts.map((text) => el("bdi", { class: "text" }, text)) : [el("i", {}, "no answer")];
  return el("div", { class: "box gold" }, el("span", { class: "what" }, "gold"), ...said);
}

function answerBox(run, question, number) {
  const name = data.runs.length > 1 ? "AB"[number] + ": " + run.name : "predicted";
  const diff = margin(question);
  const facts = ["F1 " + (run.f1[question] / 1e4).toFixed(0) + " %", "no answer: " + percent(run.naProb[question] / 1e6)];
  if (data.runs.length === 1 && Number.isFinite(diff)) facts.push("margin " + fixed(Math.abs(diff) / 100, 2) + " logits");
  return el("div", { class: "box run" + number }, el("span", { class: "what" }, name, " ", el("span", { class: "badge k" + run.kind[question] }, data.kinds[run.kind[question]])),
    el("span", { class: "text" }, answerOf(run, question)), el("small", {}, facts.join(" \u00b7 ")));
}

// The context in pieces, cut wherever a gold or predicted span begins or ends; a piece has the classes of all around it.
function contextOf(question) {
  const context = data.context[data.columns.context[question]];
  const spans = golds(question).map(([start, length]) => ["gold", start, start + length]);
  data.runs.forEach((run, number) => {
    const at = run.bounds[question];
    if (at < run.bounds[question + 1]) spans.push([(run.answered[question] ? "run" : "held") + number, run.start[at], run.start[at] + run.length[at]]);
  });
  const cuts = [...new Set([0, context.length, ...spans.flatMap(([, start, end]) => [start, end])])].sort((a, b) => a - b);
  const pieces = cuts.slice(1).map((end, at) => {
    const names = new Set(spans.filter(([, low, high]) => low <= cuts[at] && end <= high).map(([name]) => name));
    const text = context.slice(cuts[at], end);
    return names.size ? el("mark", { class: [...names].join(" ") }, text) : text;
  });
  const legend = el("p", { class: "marks" }, el("mark", { class: "gold" }, "gold"), ...data.runs.map((run, number) => el("mark", { class: "run" + number }, data.runs.length > 1 ? "AB"[number] : "predicted")),
    ...(data.runs.some((run) => !run.answered[question]) ? [el("mark", { class: "held0" }, "best span, not given")] : []));
  return el("div", {}, legend, el("p", { class: "context", dir: "auto" }, ...pieces));
}

function nbest(run, question, number) {
  const entries = [];
  for (let at = run.bounds[question]; at < run.bounds[question + 1]; at++) entries.push([run.score[at], at]);
  entries.push([run.nullScore[question], -1]);
  entries.sort((a, b) => b[0] - a[0]);
  const best = entries[0][0];
  const sum = entries.reduce((all, [score]) => all + Math.exp((score - best) / 100), 0);
  const right = new Set(golds(question).map(([start, length]) => normalized(spanText(question, start, length))));
  const rows = entries.map(([score, at], rank) => {
    const share = Math.exp((score - best) / 100) / sum;
    const text = at < 0 ? "" : spanText(question, run.start[at], run.length[at]);
    const isRight = at < 0 ? !right.size : right.has(normalized(text));
    const bar = el("i", { class: "share" });
    bar.style.width = (100 * share).toFixed(1) + "%";
    const isExtra = rank >= FEW && at >= 0 && !isRight;
    return el("tr", { class: (isRight ? "right" : "") + (isExtra ? " extra" : "") }, el("td", {}, String(rank + 1)), el("td", {}, at < 0 ? el("i", {}, "no answer") : el("bdi", {}, text), isRight ? " \u2713" : ""),
      el("td", {}, fixed(score / 100, 2)), el("td", { class: "bar" }, bar, el("span", {}, percent(share))));
  });
  const title = (data.runs.length > 1 ? "AB"[number] + ": " : "") + "n-best";
  const says = "null score \u2212 best span score = " + difference(run, question) + "; above " + fixed(run.threshold, 2) + " the answer is \u201cno answer\u201d";
  const extra = rows.filter((row) => row.classList.contains("extra")).length;
  const more = el("button", { type: "button", class: "all" }, showsAll ? "show few" : "show " + extra + " more");
  more.addEventListener("click", () => { showsAll = !showsAll; showDetail(); });
  return el("table", { class: "nbest" + (showsAll ? " full" : "") }, el("caption", {}, title, " ", el("small", {}, says), extra ? more : null),
    el("thead", {}, el("tr", {}, ...["#", "text", "score", "share"].map((name) => el("th", {}, name)))), el("tbody", {}, ...rows));
}

function difference(run, question) {
  const at = run.bounds[question];
  return at === run.bounds[question + 1] ? "no span is legal" : fixed((run.nullScore[question] - run.score[at]) / 100, 2);
}

// As the official script compares texts: letter case, ASCII punctuation and articles aside.
function normalized(text) {
  return text.toLowerCase().replace(/[!-/:-@[-`{-~]/g, "").replace(/\b(a|an|the)\b/g, " ").split(/\s+/).filter(Boolean).join(" ");
}

// Going about.

function show() {
  const { tab, query } = route();
  if ($(tab).hidden) window.scrollTo(0, 0);
  for (const section of document.querySelectorAll("main > .tab")) section.hidden = section.id !== tab;
  for (const link of document.querySelectorAll("nav [data-tab]")) link.setAttribute("aria-current", link.dataset.tab === tab ? "page" : "false");
  document.body.classList.toggle("reading", false);
  if (tab !== "questions" || !data) return;
  const full = usual(query);
  const filter = withValue(full, "id", "").toString();
  const id = query.get("id");
  current = id !== null && data.number.has(id) ? data.number.get(id) : -1;
  if (filter !== show.filter) {
    const result = matches(full);
    shown = inOrder(result.found, full.get("order") || ORDERS[0]);
    showFilters(full, result.counts);
    showSummary(full, result);
    $("list").scrollTop = 0;
    show.filter = filter;
  }
  if (current < 0 && shown.length && window.innerWidth >= 800) current = shown[0];
  bringIntoView();
  showRows();
  showDetail();
  if (!performance.getEntriesByName("first-rows").length) performance.mark("first-rows");
}

function bringIntoView() {
  const list = $("list");
  const place = shown.indexOf(current);
  if (place < 0) return;
  if (place * ROW < list.scrollTop) list.scrollTop = place * ROW;
  if ((place + 1) * ROW > list.scrollTop + list.clientHeight) list.scrollTop = (place + 1) * ROW - list.clientHeight;
}

// To an address, shown at once: "hashchange" comes later, and a key pressed before it would act on the old question.
function go(hash, replace) {
  if (replace) history.replaceState(null, "", hash); else if (location.hash !== hash) history.pushState(null, "", hash);
  show();
}

function changeFilter(name, value, replace) {
  const query = withValue(withValue(usual(route().query), "id", ""), name, value);
  go(address(query), replace);
}

function move(by) {
  const place = shown.indexOf(current);
  const next = shown[place < 0 ? 0 : place + by];
  if (next === undefined) return;
  go(address(withValue(route().query, "id", data.id[next])), true);
}

const KEYS = {
  j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1),
  "/": () => { if (route().tab !== "questions") go("#questions"); $("filters").elements.text.focus(); },
  x: () => go("#questions"),
  Escape: () => { if (route().query.has("id")) go(address(withValue(route().query, "id", ""))); },
  "?": () => $("help").showModal(),
  1: () => go("#overview"), 2: () => go("#questions"), 3: () => go("#data"),
};

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  const isTyping = event.target.matches("input, select, textarea");
  if (isTyping && event.key === "Escape") { event.target.blur(); return; }
  if (isTyping || !KEYS[event.key] || !data) return;
  if (event.key.startsWith("Arrow") && route().tab !== "questions") return;
  event.preventDefault();
  KEYS[event.key]();
}

function listen() {
  window.addEventListener("hashchange", show);
  window.addEventListener("resize", () => { if (data) showRows(); });
  document.addEventListener("keydown", pressed);
  $("list").addEventListener("scroll", () => requestAnimationFrame(showRows), { passive: true });
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("filters").addEventListener("input", (event) => {
    if (event.target.name === "text") changeFilter("text", event.target.value, true);
  });
  $("filters").addEventListener("change", (event) => {
    if (event.target.tagName === "SELECT") changeFilter(event.target.name, event.target.value, false);
  });
}

function say(text) {
  $("notice").textContent = text;
  $("notice").hidden = false;
}

async function start() {
  listen();
  show();
  if (typeof DecompressionStream === "undefined") {
    say("This browser cannot unpack the questions (it has no DecompressionStream): open the page in a newer one. The overview is complete.");
    return;
  }
  try {
    data = await unpack();
  } catch (error) {
    say("The questions in this file cannot be unpacked, so it is damaged: make it anew with dvc repro -f report. (" + error.message + ")");
    return;
  }
  show();
  document.body.dataset.ready = "true";
}

start();
