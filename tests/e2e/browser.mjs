// Tests the page of `clawgate serve` in a real browser: authorization, content, layout, and escaping of names.
//
// node browser.mjs BIN MODULES [PICTURES]   (MODULES: the node_modules with playwright-core; PICTURES: the folder for screenshots)
// The browser is $CHROMIUM, or chromium or google-chrome on the PATH.

import { spawn, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const [bin, modules, pictures] = process.argv.slice(2).map((p) => resolve(p));
const { chromium } = createRequire(join(modules, 'x.js'))('playwright-core');
const found = ['chromium', 'chromium-browser', 'google-chrome'].map((n) => { try { return execFileSync('which', [n]).toString().trim(); } catch { return ''; } });
const executablePath = process.env.CHROMIUM || found.find(Boolean);

let passed = 0;
const failed = [];
const check = (name, ok, detail) => {
  ok ? passed++ : failed.push(name);
  console.log(`  ${ok ? 'ok   ' : 'FAIL '} ${name}${ok ? '' : ': ' + String(typeof detail === 'string' ? detail : JSON.stringify(detail)).slice(0, 1500)}`);
};
const part = (name) => console.log(`-- ${name}`);

const top = mkdtempSync(join(tmpdir(), 'browser-'));
const running = [];
const EVIL = '<script>alert(1)</script><img src=x onerror=alert(2)>';

// Writes a log of Claude Code with these requests: minutes ago, cost in dollars, model. A million output tokens of
// claude-sonnet-5 cost 10 dollars.
const log = (home, folder, cwd, session, requests) => {
  const dir = join(home, '.claude/projects', folder);
  mkdirSync(dir, { recursive: true });
  const rows = requests.map(([ago, usd, model], i) => JSON.stringify({
    type: 'assistant', sessionId: session, uuid: `${session}-${i}`, requestId: `req_${session}_${i}`, cwd,
    timestamp: new Date(Date.now() - ago * 60_000).toISOString(),
    message: { id: `msg_${session}_${i}`, role: 'assistant', model, type: 'message', content: [{ type: 'text', text: 'done' }],
      usage: { input_tokens: 0, output_tokens: usd * 100_000 } } }));
  writeFileSync(join(dir, `${session.replaceAll('/', '_')}.jsonl`), rows.join('\n') + '\n');
};

// Starts the server in a terminal, because only there it prints the address that signs a browser in.
const serve = async (name, config) => {
  const home = join(top, name), state = join(home, 'state');
  mkdirSync(state, { recursive: true, mode: 0o700 });
  if (config) writeFileSync(join(state, 'config.toml'), config);
  const child = spawn('script', ['-qec', `stty -echo; '${bin}' serve --port 0`, '/dev/null'],
    { env: { PATH: process.env.PATH, HOME: home, CLAWGATE_HOME: state, TERM: 'dumb', SHELL: '/bin/sh' }, stdio: ['pipe', 'pipe', 'inherit'] });
  running.push(child);
  let output = '';
  const entry = await new Promise((done, fail) => {
    child.stdout.on('data', (bytes) => { output += bytes; const m = output.match(/open (http:\S+)/i); if (m) done(m[1]); });
    child.on('exit', () => fail(new Error(`serve ended: ${output}`)));
    setTimeout(() => fail(new Error(`serve printed no address: ${output}`)), 20_000).unref();
  });
  return { entry, url: new URL('/', entry).href, token: readFileSync(join(state, 'web.token'), 'utf8').trim(), home };
};

const LOOKS = [['desktop', 1280, 900, 'light'], ['desktop', 1280, 900, 'dark'], ['phone', 390, 844, 'light'], ['phone', 390, 844, 'dark']];

// Returns the lowest contrast ratio of a text with its background (WCAG), and the element.
const lowestContrast = () => {
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgb = (colour) => { context.clearRect(0, 0, 1, 1); context.fillStyle = colour; context.fillRect(0, 0, 1, 1); return [...context.getImageData(0, 0, 1, 1).data]; };
  const light = (c) => { const [r, g, b] = c.slice(0, 3).map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] === 255) return c; } return [255, 255, 255]; };
  let lowest = [99, ''];
  for (const e of document.querySelectorAll('main *')) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility() || e.closest('svg')) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < lowest[0]) lowest = [ratio, `${e.tagName}.${e.className} ${e.textContent.slice(0, 40)}`];
  }
  return lowest;
};

let browser;
try {
  const config = '[budgets]\ndaily_usd = 10\nweekly_usd = 5\nmonthly_usd = 500\n';
  const home = join(top, 'full');
  log(home, '-evil', `/home/u/${EVIL}`, `e"'><script>alert(3)</script>`, [[1, 6, 'claude-sonnet-5'], [1, 1, '<img src=x onerror=alert(4)>']]);
  log(home, '-shop', '/home/u/shop', '5e55-10', Array.from({ length: 20 }, (_, k) => [1440 * (k + 1), 1 + (k * 7) % 5, 'claude-sonnet-5']));
  log(home, '-long', '/home/u/' + 'a-very-long-project-name-'.repeat(6), '5e55-20', [[2, 2, 'a-model-with-a-really-long-name-that-goes-on-and-on-20261111-preview']]);
  const full = await serve('full', config);
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
  console.log(`        ${browser.version()}`);

  // Opens a page that records its errors and dialogs.
  const open = async (look = LOOKS[0]) => {
    const context = await browser.newContext({ viewport: { width: look[1], height: look[2] }, colorScheme: look[3], deviceScaleFactor: look[0] === 'phone' ? 2 : 1 });
    const page = await context.newPage();
    page.errors = [];
    page.on('console', (m) => m.type() === 'error' && page.errors.push(m.text()));
    page.on('pageerror', (e) => page.errors.push(String(e)));
    page.on('dialog', (d) => { page.errors.push(`dialog: ${d.message()}`); d.dismiss(); });
    return page;
  };
  const picture = async (page, name) => { if (pictures) { mkdirSync(pictures, { recursive: true }); await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true }); } };
  const checkLayout = async (page, name) => {
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    check(`${name}: no horizontal scrolling`, over === 0, over);
    const [lowest, where] = await page.evaluate(lowestContrast);
    check(`${name}: every text has enough contrast (${lowest.toFixed(1)})`, lowest >= 4.5, where);
    await picture(page, name.replaceAll(' ', '-'));
  };

  part('authorization');
  let page = await open();
  let answer = await page.goto(full.url);
  check('without a token: 401 and a text that says what to do', answer.status() === 401 && (await page.innerText('main')).includes('clawgate serve'), await page.content());
  check('the 401 page has its style sheet', await page.evaluate(() => getComputedStyle(document.querySelector('section')).borderTopWidth) === '1px');
  await checkLayout(page, 'closed');
  answer = await page.goto(`${full.url}?token=${'0'.repeat(64)}`);
  check('with a wrong token: 401', answer.status() === 401);
  page = await open();
  answer = await page.goto(full.entry);
  check('the printed address signs in, and the token disappears from the address bar', answer.status() === 200 && page.url() === full.url, page.url());
  answer = await page.reload();
  check('a reload stays signed in', answer.status() === 200);
  const cookies = await page.context().cookies();
  check('one session cookie, HttpOnly and SameSite=Strict', cookies.length === 1 && cookies[0].httpOnly && cookies[0].sameSite === 'Strict' && cookies[0].expires === -1, cookies);
  check('scripts of the page see no cookie', await page.evaluate(() => document.cookie) === '');
  const other = await open();
  await other.goto(`${full.url}?token=${full.token}`);
  check('the permanent token for programs signs in too', (await other.innerText('h1')) === 'clawgate' && other.url() === full.url);

  part('another page in the same browser');
  const stranger = createServer((_, r) => r.setHeader('content-type', 'text/html').end('<p>hello</p>')).listen(0, '127.0.0.1');
  await new Promise((done) => stranger.once('listening', done));
  await page.goto(`http://127.0.0.1:${stranger.address().port}/`);
  const got = await page.evaluate(async (url) => {
    const out = [];
    for (const options of [{ credentials: 'include' }, { mode: 'no-cors', credentials: 'include' }])
      try { out.push((await fetch(url + 'api/summary', options)).type); } catch (e) { out.push(e.name); }
    return out;
  }, full.url);
  check('it cannot fetch data, although the browser would send the cookie', got.every((g) => g === 'TypeError'), got);
  const frame = await page.evaluate(async (url) => {
    const f = document.createElement('iframe'); f.src = url; document.body.append(f);
    await new Promise((done) => { f.onload = done; setTimeout(done, 2000); });
    try { return f.contentDocument?.body?.innerText ?? 'closed'; } catch { return 'closed'; }
  }, full.url);
  check('it cannot show the page in a frame', !frame.includes('$'), frame);
  const [posted] = await Promise.all([page.waitForResponse((r) => r.url().startsWith(full.url)), page.evaluate((url) => {
    const form = document.createElement('form'); form.method = 'post'; form.action = url; document.body.append(form); form.submit();
  }, full.url)]);
  check('it cannot submit a form', posted.status() === 403, posted.status());
  stranger.closeAllConnections();
  stranger.close();

  part('content and layout');
  for (const look of LOOKS) {
    page = await open(look);
    await page.goto(full.entry);
    const name = `home ${look[0]} ${look[3]}`;
    await checkLayout(page, name);
    if (look !== LOOKS[0]) continue;
    const text = await page.innerText('main');
    for (const wanted of ['Today', 'Last hour', 'Claude block', 'This week', 'This month', '$6.00+', 'Last fourteen days', 'Most expensive sessions', 'no price', 'The weekly budget is spent', 'shop'])
      check(`the page shows “${wanted}”`, text.includes(wanted), text);
    check('the chart has a bar for each day', (await page.locator('svg.chart rect').count()) === 14);
    await page.click('summary');
    check('the chart has a table with the same days', await page.locator('details tr').count() === 15 && await page.locator('details table').isVisible());
    for (const name of [EVIL.split('/').pop(), '<img src=x onerror=alert(4)>', `e"'><script>alert(3)<_script>`])
      check(`${name} is shown as text`, text.includes(name), text);
    check('no name became markup', await page.evaluate(() => document.querySelectorAll('script, img, [onerror]').length) === 0);
    check('the page has no errors', page.errors.length === 0, page.errors);
    for (const link of await page.locator('footer a').evaluateAll((all) => all.map((a) => a.href))) {
      const r = await page.request.get(link);
      check(`${new URL(link).pathname} answers with 200`, r.status() === 200, r.status());
    }
    answer = await page.goto(full.url + 'nowhere');
    check('an unknown address answers with 404 and a link to the page', answer.status() === 404 && (await page.getAttribute('main a', 'href')) === '/');
  }

  part('an empty archive');
  const empty = await serve('empty');
  for (const look of [LOOKS[0], LOOKS[3]]) {
    page = await open(look);
    await page.goto(empty.entry);
    check('the page says that there is no usage', (await page.innerText('main')).includes('No usage recorded yet'));
    await checkLayout(page, `empty ${look[0]} ${look[3]}`);
    check('the page has no errors', page.errors.length === 0, page.errors);
  }
} catch (e) {
  check('the run ends without an exception', false, e.stack);
} finally {
  await browser?.close();
  // Ctrl-C in the terminal ends the server, as a person would end it.
  await Promise.all(running.map((child) => new Promise((done) => { child.on('exit', done); child.exitCode === null ? child.stdin.write('\x03') : done(); setTimeout(() => { child.kill(); done(); }, 8000).unref(); })));
  rmSync(top, { recursive: true, force: true });
}
console.log(`browser.mjs: ${passed} checks passed, ${failed.length} failed${failed.length ? ': ' + failed.slice(0, 8).join('; ') : ''}`);
process.exit(failed.length ? 1 : 0);
