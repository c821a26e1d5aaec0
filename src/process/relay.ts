import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { constants } from 'node:os';

/**
 * Runs where a walled-off program runs, before it, without anything else of Gantry: leads what the program sends to its
 * own loopback through the gate's socket (`hosts/gate.ts`), starts the program and ends with its exit code.
 * Arguments: the socket; a file with the program's whole environment as JSON; ports of this machine, by commas; the port of
 * the proxy or `-`; then the command.
 */
const [gate = '', environment = '', ports = '', proxy = '-', program = '', ...args] = process.argv.slice(2);

const MAX_HEAD = 16 * 1024;
const STOPS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

const control = await open('CONTROL');
await Promise.all(
  ports.split(',').map((port) => port !== '' && listen(Number(port), (inner) => lead(inner, `127.0.0.1:${port}`))),
);
if (proxy !== '-') await listen(Number(proxy), tunnel);
const child = start();
obey(control);

function start(): ChildProcess {
  const env = JSON.parse(readFileSync(environment, 'utf8')) as Record<string, string>;
  const running = spawn(program, args, { env, stdio: 'inherit' });
  for (const signal of STOPS) process.on(signal, () => running.kill(signal));
  running.on('error', (error) => {
    process.stderr.write(`${program} could not be started: ${error.message}\n`);
    process.exit(127);
  });
  running.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal ?? 'SIGKILL']));
  return running;
}

/** `TERM`, and `DIAL id port`: somebody outside wants to speak to a port in here. */
function obey(socket: Socket): void {
  let text = '';
  // The daemon is gone: so is whatever it has started here.
  socket.once('close', () => {
    child.kill('SIGKILL');
    process.exit(1);
  });
  socket.once('end', () => socket.destroy());
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = `${text}${chunk}`.split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) {
      const [word, id = '', port = ''] = line.split(' ');
      if (word === 'TERM') child.kill('SIGTERM');
      if (word === 'DIAL') void accept(id, Number(port));
    }
  });
}

async function accept(id: string, port: number): Promise<void> {
  const inner = guarded(connect({ host: '127.0.0.1', port, allowHalfOpen: true }));
  inner.once('connect', async () => join(await open(`ACCEPT ${id}`), inner));
}

/** A connection to the gate, with its first line sent. */
function open(line: string): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = guarded(connect({ path: gate, allowHalfOpen: true }));
    socket.once('connect', () => {
      socket.write(`${line}\n`);
      resolve(socket);
    });
  });
}

/** Asks the gate for a place; null with its reason if it is not to be had. */
async function ask(place: string): Promise<{ readonly socket: Socket; readonly refusal: string | null }> {
  const socket = await open(`OPEN ${place}`);
  const answer = await upTo(socket, '\n', MAX_HEAD);
  return { socket, refusal: answer === 'OK' ? null : (answer ?? 'the gate is closed').replace(/^NO /, '') };
}

async function lead(inner: Socket, place: string): Promise<void> {
  const { socket, refusal } = await ask(place);
  if (refusal === null) join(inner, socket);
  else inner.destroy();
}

/** The proxy: CONNECT and nothing else. */
async function tunnel(inner: Socket): Promise<void> {
  const head = await upTo(inner, '\r\n\r\n', MAX_HEAD);
  const [, place] = /^CONNECT (\S+) HTTP\/1\.[01]\r?\n/.exec(`${head ?? ''}\r\n`) ?? [];
  if (place === undefined) return refuse(inner, 405, 'only CONNECT (https) is led out of here');
  const { socket, refusal } = await ask(place);
  if (refusal !== null) return refuse(inner, 403, refusal);
  inner.write('HTTP/1.1 200 Connection established\r\n\r\n');
  join(inner, socket);
}

function refuse(inner: Socket, status: number, reason: string): void {
  const body = `${reason}\n`;
  const head = `HTTP/1.1 ${status} Refused\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: `;
  inner.end(`${head}${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

function join(a: Socket, b: Socket): void {
  a.pipe(b);
  b.pipe(a);
  a.once('close', () => b.destroy());
  b.once('close', () => a.destroy());
}

/** What comes before `end`; the rest stays in the stream. Null if it is too long or the stream ends first. */
function upTo(socket: Socket, end: string, maxBytes: number): Promise<string | null> {
  return new Promise((resolve) => {
    let text = '';
    const read = (): void => {
      while (!text.endsWith(end) && text.length <= maxBytes) {
        const byte: Buffer | null = socket.read(1);
        if (byte === null) return;
        text += byte.toString('latin1');
      }
      socket.off('readable', read);
      resolve(text.endsWith(end) ? text.slice(0, -end.length) : null);
    };
    socket.on('readable', read).once('end', () => resolve(null));
    socket.once('close', () => resolve(null));
  });
}

function listen(port: number, onSocket: (inner: Socket) => Promise<void>): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true }, (inner) => void onSocket(guarded(inner)));
    server.once('error', reject).listen(port, '127.0.0.1', () => resolve(server));
  });
}

/** A connection that breaks ends alone. */
function guarded(socket: Socket): Socket {
  return socket.on('error', () => socket.destroy());
}
