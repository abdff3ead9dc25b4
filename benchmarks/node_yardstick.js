// The yardstick: the server that people write first. Everything is in memory, for one
// process's life: no database, no queue, no limits, no Last-Event-ID, no back-pressure.
//
//   node node_yardstick.js PORT API_KEY EMIT_PROGRAM
'use strict';

const { spawn } = require('node:child_process');
const { randomUUID } = require('node:crypto');
const http = require('node:http');

const [port, apiKey, emit] = process.argv.slice(2);
const commands = { print: ({ lines, every, gate }) => [lines, every, gate] };
const tasks = new Map();

const sse = (data, id) => `id: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
const end = ({ status, lines }) =>
  sse({ type: 'end', status, logCount: lines.length }, lines.length + 1);

function say(task, level, message) {
  const seq = task.lines.length + 1;
  const log = { seq, timestamp: new Date().toISOString(), level, message };
  task.lines.push(log);
  const event = sse({ type: 'log', log }, seq);
  for (const client of task.clients) client.write(event);
}

function start(args) {
  const task = { id: randomUUID(), status: 'running', lines: [], clients: new Set() };
  tasks.set(task.id, task);
  say(task, 'info', `Executing: ${[emit, ...args].join(' ')}`);
  const child = spawn(emit, args);
  for (const level of ['stdout', 'stderr']) {
    let rest = '';
    child[level].setEncoding('utf8').on('data', (data) => {
      const lines = (rest + data).split('\n');
      rest = lines.pop();
      for (const line of lines) say(task, level, line);
    });
  }
  child.on('close', (code) => {
    task.status = code === 0 ? 'completed' : 'failed';
    say(task, code === 0 ? 'success' : 'error', `Exit code ${code}`);
    for (const client of task.clients) client.end(end(task));
  });
  return task;
}

function follow(task, response) {
  const type = 'text/event-stream; charset=utf-8';
  response.writeHead(200, { 'Content-Type': type, 'Cache-Control': 'no-cache' });
  for (const log of task.lines) response.write(sse({ type: 'log', log }, log.seq));
  if (task.status !== 'running') return response.end(end(task));
  task.clients.add(response);
  response.on('close', () => task.clients.delete(response));
}

function answer(response, status, body) {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(body));
}

http.createServer((request, response) => {
  if (request.headers['x-api-key'] !== apiKey) return answer(response, 401, {});
  const [, , , name, what] = request.url.split('/');
  const task = tasks.get(name);
  if (request.method === 'GET' && task) {
    if (what === 'stream') return follow(task, response);
    return answer(response, 200, { id: task.id, status: task.status });
  }
  if (request.method !== 'POST' || !commands[name]) return answer(response, 404, {});
  let body = '';
  request.on('data', (data) => (body += data));
  request.on('end', () => {
    answer(response, 202, { taskId: start(commands[name](JSON.parse(body))).id });
  });
}).listen(Number(port), '127.0.0.1', 4096);
