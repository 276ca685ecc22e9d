'use strict';
// Loads a bundle of scripts/bundle.mjs. To compile it takes longer than most commands run, so the build leaves
// what V8 has made of it beside it, in a form that only the same version of V8 takes; others compile it anew.
const { readFileSync } = require('node:fs');
const { createRequire, enableCompileCache } = require('node:module');
const { dirname, resolve } = require('node:path');
const vm = require('node:vm');

/** Bundles of packages, which others load when they need them. */
const PACKAGE = /^\.\/package\//;
const loaded = new Map();

/** The scripts of all bundles that have been loaded, by their paths. */
exports.scripts = new Map();

/** Where the compiled form of a bundle is. */
exports.compiledPath = (path) => path.replace(/\.cjs$/, '.v8');

/** Loads a bundle as a script and returns what it exports. */
exports.loadScript = (path) => {
  const known = loaded.get(path);
  if (known !== undefined) return known.exports;
  const module = { exports: {} };
  loaded.set(path, module);
  // Bundles are in ASCII, which is read faster this way.
  const source = readFileSync(path, 'latin1');
  const head = '(function (exports, require, module, __filename, __dirname) {';
  const script = new vm.Script(`${head}${source}\n})`, {
    filename: path,
    cachedData: readCompiled(exports.compiledPath(path)),
    importModuleDynamically: vm.constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  exports.scripts.set(path, script);
  const folder = dirname(path);
  const requireOther = createRequire(path);
  const require = (id) =>
    PACKAGE.test(id) ? exports.loadScript(resolve(folder, id)) : requireOther(id);
  require.resolve = requireOther.resolve;
  script.runInThisContext()(module.exports, require, module, path, folder);
  return module.exports;
};

/** Returns what a bundle exports. */
exports.loadBundle = (path) => {
  // With --debug stacks should name the sources.
  if (process.argv.includes('--debug')) {
    process.setSourceMapsEnabled(true);
    return require(path);
  }
  // Node 22 and later keep what they have compiled.
  if (enableCompileCache === undefined) return exports.loadScript(path);
  enableCompileCache();
  return require(path);
};

function readCompiled(path) {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}
