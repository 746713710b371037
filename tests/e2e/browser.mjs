// The page of `clawgate serve` in a real browser: who gets in, what a person sees, and that names stay names.
//
// node browser.mjs BIN MODULES [PICTURES]   (MODULES: the node_modules with playwright-core; PICTURES: where screenshots go)
// The browser is $CHROMIUM, or the chromium or google-chrome on the path.

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

// Requests as Claude Code logs them: minutes ago, dollars (claude-sonnet-5: ten a million tokens of output), model.
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

// Starts the server in a terminal, where it prints the address that lets a browser in.
const serve = async (name, config) => {
  const home = join(top, name), state = join(home, 'state');
  mkdirSync(state, { recursive: true, mode: 0o700 });
  if (config) writeFileSync(join(state, 'config.toml'), config);
  const child = spawn('script', ['-qec', `stty -echo; '${bin}' serve --port 0`, '/dev/null'],
    { env: { PATH: process.env.PATH, HOME: home, CLAWGATE_HOME: state, TERM: 'dumb', SHELL: '/bin/sh' }, stdio: ['pipe', 'pipe', 'inherit'] });
  running.push(child);
  let said = '';
  const entry = await new Promise((done, fail) => {
    child.stdout.on('data', (bytes) => { said += bytes; const m = said.match(/open (http:\S+)/i); if (m) done(m[1]); });
    child.on('exit', () => fail(new Error(`serve ended: ${said}`)));
    setTimeout(() => fail(new Error(`serve printed no address: ${said}`)), 20_000).unref();
  });
  return { entry, url: new URL('/', entry).href, token: readFileSync(join(state, 'web.token'), 'utf8').trim(), home };
};

const LOOKS = [['desktop', 1280, 900, 'light'], ['desktop', 1280, 900, 'dark'], ['phone', 390, 844, 'light'], ['phone', 390, 844, 'dark']];

// The least contrast of any text against what is behind it (WCAG).
const leastContrast = () => {
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgb = (colour) => { context.clearRect(0, 0, 1, 1); context.fillStyle = colour; context.fillRect(0, 0, 1, 1); return [...context.getImageData(0, 0, 1, 1).data]; };
  const light = (c) => { const [r, g, b] = c.slice(0, 3).map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] === 255) return c; } return [255, 255, 255]; };
  let least = [99, ''];
  for (const e of document.querySelectorAll('main *')) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility() || e.closest('svg')) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < least[0]) least = [ratio, `${e.tagName}.${e.className} ${e.textContent.slice(0, 40)}`];
  }
  return least;
};

let browser;
try {
  const config = '[budgets]\ndaily_usd = 10\nweekly_usd = 8\nmonthly_usd = 500\n';
  const home = join(top, 'full');
  log(home, '-evil', `/home/u/${EVIL}`, `e"'><script>alert(3)</script>`, [[1, 6, 'claude-sonnet-5'], [1, 1, '<img src=x onerror=alert(4)>']]);
  log(home, '-shop', '/home/u/shop', '5e55-10', Array.from({ length: 20 }, (_, k) => [1440 * (k + 1), 1 + (k * 7) % 5, 'claude-sonnet-5']));
  log(home, '-long', '/home/u/' + 'a-very-long-project-name-'.repeat(6), '5e55-20', [[2, 2, 'a-model-with-a-really-long-name-that-goes-on-and-on-20261111-preview']]);
  const full = await serve('full', config);
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
  console.log(`        ${browser.version()}`);

  // A page that notes whatever goes wrong in it.
  const open = async (look = LOOKS[0]) => {
    const context = await browser.newContext({ viewport: { width: look[1], height: look[2] }, colorScheme: look[3], deviceScaleFactor: look[0] === 'phone' ? 2 : 1 });
    const page = await context.newPage();
    page.wrong = [];
    page.on('console', (m) => m.type() === 'error' && page.wrong.push(m.text()));
    page.on('pageerror', (e) => page.wrong.push(String(e)));
    page.on('dialog', (d) => { page.wrong.push(`dialog: ${d.message()}`); d.dismiss(); });
    return page;
  };
  const picture = async (page, name) => { if (pictures) { mkdirSync(pictures, { recursive: true }); await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true }); } };
  const looksRight = async (page, name) => {
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    check(`${name}: nothing sticks out`, over === 0, over);
    const [least, where] = await page.evaluate(leastContrast);
    check(`${name}: every text can be read (contrast ${least.toFixed(1)})`, least >= 4.5, where);
    await picture(page, name.replaceAll(' ', '-'));
  };

  part('who gets in');
  let page = await open();
  let answer = await page.goto(full.url);
  check('without the address: 401, in words', answer.status() === 401 && (await page.innerText('main')).includes('clawgate serve'), await page.content());
  check('and with style', await page.evaluate(() => getComputedStyle(document.querySelector('section')).borderTopWidth) === '1px');
  await looksRight(page, 'closed');
  answer = await page.goto(`${full.url}?token=${'0'.repeat(64)}`);
  check('a wrong token: 401', answer.status() === 401);
  page = await open();
  answer = await page.goto(full.entry);
  check('the printed address lets in and leaves the bar', answer.status() === 200 && page.url() === full.url, page.url());
  answer = await page.reload();
  check('a reload stays in', answer.status() === 200);
  const cookies = await page.context().cookies();
  check('one cookie, closed to scripts, of this run', cookies.length === 1 && cookies[0].httpOnly && cookies[0].sameSite === 'Strict' && cookies[0].expires === -1, cookies);
  check('scripts of the page have no cookie either', await page.evaluate(() => document.cookie) === '');
  const other = await open();
  await other.goto(`${full.url}?token=${full.token}`);
  check('so does the lasting token of a menu-bar app', (await other.innerText('h1')) === 'clawgate' && other.url() === full.url);

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
  check('can fetch nothing, though the cookie would be sent', got.every((g) => g === 'TypeError'), got);
  const frame = await page.evaluate(async (url) => {
    const f = document.createElement('iframe'); f.src = url; document.body.append(f);
    await new Promise((done) => { f.onload = done; setTimeout(done, 2000); });
    try { return f.contentDocument?.body?.innerText ?? 'closed'; } catch { return 'closed'; }
  }, full.url);
  check('nor can it frame the page', !frame.includes('$'), frame);
  const [posted] = await Promise.all([page.waitForResponse((r) => r.url().startsWith(full.url)), page.evaluate((url) => {
    const form = document.createElement('form'); form.method = 'post'; form.action = url; document.body.append(form); form.submit();
  }, full.url)]);
  check('nor send a form', posted.status() === 403, posted.status());
  stranger.closeAllConnections();
  stranger.close();

  part('what a person sees');
  for (const look of LOOKS) {
    page = await open(look);
    await page.goto(full.entry);
    const name = `home ${look[0]} ${look[3]}`;
    await looksRight(page, name);
    if (look !== LOOKS[0]) continue;
    const text = await page.innerText('main');
    for (const wanted of ['Today', 'Last hour', 'Claude block', 'This week', 'This month', '$6.00+', 'Last fourteen days', 'Most expensive sessions', 'no price', 'The weekly budget is spent', 'shop'])
      check(`it says “${wanted}”`, text.includes(wanted), text);
    check('a bar a day', (await page.locator('svg.chart rect').count()) === 14);
    await page.click('summary');
    check('and a table of them', await page.locator('details tr').count() === 15 && await page.locator('details table').isVisible());
    for (const name of [EVIL.split('/').pop(), '<img src=x onerror=alert(4)>', `e"'><script>alert(3)<_script>`])
      check(`${name} is text`, text.includes(name), text);
    check('nothing of it became markup', await page.evaluate(() => document.querySelectorAll('script, img, [onerror]').length) === 0);
    check('nothing went wrong in the page', page.wrong.length === 0, page.wrong);
    for (const link of await page.locator('footer a').evaluateAll((all) => all.map((a) => a.href))) {
      const r = await page.request.get(link);
      check(`${new URL(link).pathname} is there`, r.status() === 200, r.status());
    }
    answer = await page.goto(full.url + 'nowhere');
    check('an unknown address says so and leads back', answer.status() === 404 && (await page.getAttribute('main a', 'href')) === '/');
  }

  part('an empty archive');
  const empty = await serve('empty');
  for (const look of [LOOKS[0], LOOKS[3]]) {
    page = await open(look);
    await page.goto(empty.entry);
    check('the page says that there is no usage', (await page.innerText('main')).includes('No usage recorded yet'));
    await looksRight(page, `empty ${look[0]} ${look[3]}`);
    check('nothing went wrong in the page', page.wrong.length === 0, page.wrong);
  }
} catch (e) {
  check('the run came to its end', false, e.stack);
} finally {
  await browser?.close();
  // Ctrl-C in its terminal, as a person would.
  await Promise.all(running.map((child) => new Promise((done) => { child.on('exit', done); child.exitCode === null ? child.stdin.write('\x03') : done(); setTimeout(() => { child.kill(); done(); }, 8000).unref(); })));
  rmSync(top, { recursive: true, force: true });
}
console.log(`browser.mjs: ${passed} checks hold, ${failed.length} fail${failed.length ? ': ' + failed.slice(0, 8).join('; ') : ''}`);
process.exit(failed.length ? 1 : 0);
