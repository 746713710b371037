#!/usr/bin/env node
// Starts the binary from the package of this platform, with the same arguments, streams and exit code.
"use strict";

const { spawn } = require("node:child_process");
const { dirname, join } = require("node:path");
const { name, optionalDependencies } = require("../package.json");

function binary() {
  const platform = `${name}-${process.platform}-${process.arch}`;
  if (!(platform in optionalDependencies)) {
    throw new Error(`There is no binary for ${process.platform} ${process.arch}.`);
  }
  try {
    const program = process.platform === "win32" ? "clawgate.exe" : "clawgate";
    return join(dirname(require.resolve(`${platform}/package.json`)), "bin", program);
  } catch {
    throw new Error(
      `The package ${platform} is missing. Install ${name} again without --omit=optional or --no-optional. ` +
        "On Linux the binary needs glibc.",
    );
  }
}

function start() {
  const child = spawn(binary(), process.argv.slice(2), { stdio: "inherit" });
  // A terminal sends Ctrl-C to the binary too, which decides what it means. Other signals are passed on.
  process.on("SIGINT", () => {});
  const passedOn = process.platform === "win32" ? [] : ["SIGTERM", "SIGHUP"];
  for (const signal of passedOn) {
    process.on(signal, () => child.kill(signal));
  }
  child.on("error", fail);
  child.on("exit", (code, signal) => {
    if (signal === null) {
      process.exit(code);
    }
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function fail(error) {
  process.stderr.write(`error: ${error.message}\n`);
  process.exit(1);
}

try {
  start();
} catch (error) {
  fail(error);
}
