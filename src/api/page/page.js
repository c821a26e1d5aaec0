// The status page: a snapshot, then the facts after it, through the same `fold` as everywhere. No framework, no build.
import { emptyView, fold } from '/assets/fold.js';

const TABLES = ['projects', 'requests', 'tasks', 'attempts', 'sessions', 'agents', 'approvals', 'grants', 'messages'];
const STATUS_EVERY_MS = 15_000;
const RETRY_MS = 2_000;
const STATE_CLASS = {
  done: 'good',
  failed: 'bad',
  cancelled: 'dim',
  working: 'busy',
  verifying: 'busy',
  assigned: 'busy',
  running: 'busy',
  planning: 'busy',
  waiting: 'ask',
  paused: 'ask',
};

let view = emptyView();
let isDrawing = false;
/** Answers that were sent and are not yet facts. */
const answering = new Set();

const byId = (id) => document.getElementById(id);

/** An element with properties and children; texts are never read as HTML. */
function el(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null));
  return element;
}

async function api(path, body) {
  const init = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
  const response = await fetch(`/api/v1/${path}`, body === undefined ? {} : init);
  const answer = await response.json();
  if (response.status === 401) location.reload();
  if (!response.ok) throw new Error(answer.detail ?? response.statusText);
  return answer;
}

const say = (text) => {
  byId('connection').textContent = text;
};

function complain(error) {
  byId('problem').textContent = error === null ? '' : String(error.message ?? error);
  byId('problem').hidden = error === null;
}

/** Keeps the elements of unchanged rows, and with them focus and what was typed. */
function keepRows(parent, rows, build) {
  const old = new Map([...parent.children].map((child) => [child.dataset.id, child]));
  const next = rows.map((row) => {
    const key = JSON.stringify(row);
    const known = old.get(row.id);
    if (known?.gantryKey === key) return known;
    const element = build(row);
    element.dataset.id = row.id;
    element.gantryKey = key;
    return element;
  });
  const isSame = next.length === parent.children.length && next.every((child, i) => parent.children[i] === child);
  if (!isSame) parent.replaceChildren(...next);
}

function draw() {
  isDrawing = false;
  const pending = [...view.approvals.values()].filter((row) => row.state === 'pending');
  keepRows(byId('approvals'), pending, approvalCard);
  const count = pending.length === 1 ? '1 approval waits' : `${pending.length} approvals wait`;
  if (byId('approvals-count').textContent !== count) byId('approvals-count').textContent = count;
  document.title = pending.length > 0 ? `(${pending.length}) Gantry` : 'Gantry';
  const requests = [...view.requests.values()].sort((a, b) => b.createdAt - a.createdAt).slice(0, 50);
  keepRows(byId('requests'), requests.map(requestRow), requestCard);
  const alerts = [...view.alerts].map(([id, text]) => ({ id, text }));
  keepRows(byId('alerts'), alerts, ({ text }) => el('li', {}, text));
  byId('alerts-section').hidden = alerts.length === 0;
}

function redraw() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(draw);
}

function requestRow(request) {
  const tasks = [...view.tasks.values()]
    .filter((task) => task.requestId === request.id)
    .sort((a, b) => a.position - b.position)
    .map((task) => ({ ...task, now: doing(task) }));
  const { id, text, state, cause, result } = request;
  const project = view.projects.get(request.projectId)?.name ?? request.projectId;
  return { id, text, state, cause, result, project, tasks };
}

/** What the task's agent does now: it waits for an answer, runs a tool, or says something. */
function doing({ id, attemptId, state }) {
  if (state !== 'working') return null;
  if ([...view.approvals.values()].some((row) => row.taskId === id && row.state === 'pending')) return 'waits for you';
  const live = view.live.get(view.attempts.get(attemptId)?.sessionId);
  return live?.tool ?? (live?.text ? `… ${live.text.slice(-100)}` : null);
}

const stateText = (state) => el('span', { className: STATE_CLASS[state] ?? '' }, state);

function requestCard({ id, text, state, cause, result, project, tasks }) {
  const rows = tasks.map((task) =>
    el(
      'tr',
      {},
      el('td', {}, task.label),
      el('td', {}, task.title),
      el('td', {}, stateText(task.state)),
      el('td', {}, task.agent ?? '–'),
      el('td', { className: 'dim' }, task.now ?? task.cause ?? ''),
    ),
  );
  const head = ['Task', 'Title', 'State', 'Agent', 'Now'].map((name) => el('th', { scope: 'col' }, name));
  return el(
    'article',
    {},
    el('h3', {}, text.length > 200 ? `${text.slice(0, 200)} …` : text),
    el('p', { className: 'dim' }, stateText(state), ` · ${project} · ${id}${cause ? ` · ${cause}` : ''}`),
    rows.length === 0 ? null : el('table', {}, el('thead', {}, el('tr', {}, ...head)), el('tbody', {}, ...rows)),
    result === null ? null : el('p', {}, result.summary, result.branch ? ` (branch ${result.branch})` : ''),
  );
}

function approvalCard(approval) {
  const { subject, agent, backend, project, expiresAt } = approval;
  const until = `denied at ${new Date(expiresAt).toLocaleTimeString()} if nobody answers`;
  const meta = el('p', { className: 'dim' }, `${agent ?? backend} · ${project} · ${approval.id} · ${until}`);
  const deny = answerButton('Deny', approval, 'deny', () => ({}));
  if (subject.type === 'permission') {
    const { tool, command, patterns, diff } = subject.call;
    return el(
      'article',
      {},
      el('h3', {}, `May it use ${tool}?`),
      el('pre', {}, command ?? patterns.join('\n')),
      diff ? el('pre', {}, diff) : null,
      meta,
      answerButton('Allow once', approval, 'allow', () => ({ scope: 'once' })),
      answerButton('Allow for this session', approval, 'allow', () => ({ scope: 'session' })),
      deny,
    );
  }
  const fields = subject.questions.map((question, i) => questionField(approval.id, question, i));
  const answer = answerButton('Answer', approval, 'answer', () => ({ answers: fields.map(({ read }) => read()) }));
  return el('article', {}, el('h3', {}, 'A question'), ...fields.map(({ field }) => field), meta, answer, deny);
}

function questionField(id, { question, header, options, isMultiple, isFreeText }, index) {
  const type = isMultiple ? 'checkbox' : 'radio';
  const boxes = options.map(({ label }) => el('input', { type, name: `${id}-${index}`, value: label }));
  const choices = boxes.map((box, i) => {
    const { label, description } = options[i];
    return el(
      'label',
      {},
      box,
      ` ${label}`,
      description ? el('span', { className: 'dim' }, ` – ${description}`) : null,
    );
  });
  const own = isFreeText
    ? el('input', { type: 'text', placeholder: 'Your own words', ariaLabel: `Your own answer to: ${question}` })
    : null;
  const legend = el('legend', {}, header && header !== question ? `${header}: ${question}` : question);
  const read = () => [...boxes.filter((box) => box.checked).map((box) => box.value), own?.value ?? ''].filter(Boolean);
  return { field: el('fieldset', {}, legend, ...choices, own), read };
}

function answerButton(text, { id, subject }, verb, body) {
  const what = subject.type === 'permission' ? (subject.call.command ?? subject.call.tool) : 'the question';
  const button = el('button', { type: 'button', ariaLabel: `${text}: ${what}` }, text);
  button.addEventListener('click', async () => {
    if (answering.has(id)) return;
    answering.add(id);
    const buttons = [...button.parentElement.querySelectorAll('button')];
    for (const one of buttons) one.disabled = true;
    try {
      await api(`approvals/${id}/${verb}`, body());
      complain(null);
    } catch (error) {
      complain(error);
      for (const one of buttons) one.disabled = false;
    } finally {
      answering.delete(id);
    }
  });
  return button;
}

async function showStatus() {
  if (document.hidden) return;
  try {
    const { version, pid, url, node, startedAt, rssBytes, storeBytes } = await api('status');
    const since = new Date(startedAt).toLocaleString();
    const mb = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;
    const line = `Gantry ${version} at ${url}, process ${pid} on Node ${node} since ${since}`;
    byId('daemon').textContent = `${line} · memory ${mb(rssBytes)} · database ${mb(storeBytes)}`;
  } catch (error) {
    byId('daemon').textContent = `The daemon's state is not known: ${error.message}`;
  }
}

/** Loads a snapshot and follows the journal from it; begins again after a gap or a lost connection. */
async function start() {
  try {
    const [snapshot, { alerts }] = await Promise.all([api('view'), api('status')]);
    view = emptyView();
    for (const table of TABLES) for (const row of snapshot[table]) view[table].set(row.id, row);
    for (const { key, text } of alerts) view.alerts.set(key, text);
    view.seq = snapshot.seq;
    complain(null);
    redraw();
    follow();
  } catch (error) {
    say('Not connected');
    complain(error);
    setTimeout(start, RETRY_MS);
  }
}

function follow() {
  const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/api/v1/stream?since=${view.seq}`);
  let hasGap = false;
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === 'gap') {
      hasGap = true;
      socket.close();
    }
    if (message.type === 'live') say('Live');
    if (message.type !== 'fact') return;
    fold(view, message.fact);
    redraw();
  });
  socket.addEventListener('close', () => {
    say(hasGap ? 'Catching up …' : 'Connection lost, trying again …');
    setTimeout(start, hasGap ? 0 : RETRY_MS);
  });
}

void start();
void showStatus();
setInterval(showStatus, STATUS_EVERY_MS);
document.addEventListener('visibilitychange', showStatus);
