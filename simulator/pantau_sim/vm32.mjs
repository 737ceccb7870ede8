// Runs a MicroPython script in the 32-bit VM (the npm package's WebAssembly build, version floor 1.25).
//
//   node vm32.mjs [--heap BYTES|160k|2m] [--path DIR]... [--mount FILE|DIR]... [--steps NAME] SCRIPT [ARGUMENT]...
//
// The VM sees no host files and no sockets. --path copies the *.py below DIR into its memory file system, at the same
// absolute path, and puts DIR on sys.path; --mount copies every file. Nothing that the script writes comes back: it prints.
// The heap grows when --heap is used up: measure with gc.mem_alloc(), do not wait for a MemoryError. sys.platform is
// "webassembly". The collector runs only between calls from JavaScript: with --steps the script's function NAME is called again
// and again after the script, until it returns something false. Its asyncio is driven by the JavaScript loop, so asyncio.run() is not to be had; pure code and I/O-free cores are.
//
// Exit status: the script's (0, SystemExit's code, 1 after an uncaught exception, whose traceback goes to stderr);
// 2 bad usage; 3 the VM package is missing.
import fs from "node:fs";
import path from "node:path";

const PACKAGE = "@micropython/micropython-webassembly-pyscript";
const USAGE = "usage: node vm32.mjs [--heap BYTES|160k|2m] [--path DIR]... [--mount FILE|DIR]... [--steps NAME] SCRIPT [ARGUMENT]...";

function stop(status, message) {
    fs.writeSync(2, `vm32: ${message}\n`);
    process.exit(status);
}

function parse(argv) {
    // 1 MiB: room to compile a test file. Pass the size of the real board to measure memory.
    const options = { heap: 1 << 20, paths: [], mounts: [], steps: null };
    const rest = [...argv];
    while (rest.length && rest[0].startsWith("--")) {
        const name = rest.shift();
        const value = rest.shift();
        if (value === undefined) stop(2, `${name} needs a value\n${USAGE}`);
        if (name === "--heap") {
            const match = /^(\d+)([km]?)$/i.exec(value);
            if (!match) stop(2, `--heap ${value}: give bytes, or a number with k or m`);
            options.heap = Number(match[1]) * { "": 1, k: 1024, m: 1048576 }[match[2].toLowerCase()];
        } else if (name === "--path") options.paths.push(path.resolve(value));
        else if (name === "--mount") options.mounts.push(path.resolve(value));
        else if (name === "--steps") options.steps = value;
        else stop(2, `${name} is unknown\n${USAGE}`);
    }
    if (!rest.length) stop(2, USAGE);
    return { ...options, script: path.resolve(rest[0]), argv: rest };
}

async function findPackage() {
    // PANTAU_MICROPYTHON_WASM names micropython.mjs itself; else node_modules beside this file or above the working folder.
    if (process.env.PANTAU_MICROPYTHON_WASM) return path.resolve(process.env.PANTAU_MICROPYTHON_WASM);
    for (const start of [process.cwd(), import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname)]) {
        for (let folder = start; ; folder = path.dirname(folder)) {
            const file = path.join(folder, "node_modules", PACKAGE, "micropython.mjs");
            if (fs.existsSync(file)) return file;
            if (folder === path.dirname(folder)) break;
        }
    }
    return stop(3, `the npm package ${PACKAGE} is not installed; run \`make setup\` (npm install) in the Pantau checkout`);
}

function copy(vm, source, wanted) {
    let stat;
    try { stat = fs.statSync(source); } catch { stop(2, `${source}: no such file or folder`); }
    if (stat.isDirectory()) {
        vm.FS.mkdirTree(source);
        for (const name of fs.readdirSync(source)) {
            if (name !== "__pycache__" && name !== "node_modules" && !name.startsWith(".")) copy(vm, path.join(source, name), wanted);
        }
    } else if (wanted(source)) {
        vm.FS.mkdirTree(path.dirname(source));
        vm.FS.writeFile(source, fs.readFileSync(source));
    }
}

function collector(descriptor) {
    let held = [];
    const flush = () => {
        const bytes = Buffer.concat(held);
        held = [];
        for (let at = 0; at < bytes.length; ) {
            // A full pipe says EAGAIN; the reader will come.
            try { at += fs.writeSync(descriptor, bytes, at); } catch (error) { if (error.code !== "EAGAIN") throw error; }
        }
    };
    return { write(bytes) { held.push(Buffer.from(bytes)); if (held.length >= 4096) flush(); }, flush };
}

const options = parse(process.argv.slice(2));
const { loadMicroPython } = await import(await findPackage());
const out = collector(1);
const vm = await loadMicroPython({
    heapsize: options.heap, pystack: 16384, linebuffer: false, stdout: out.write, stderr: out.write,
});
for (const folder of options.paths) copy(vm, folder, (name) => name.endsWith(".py"));
for (const source of options.mounts) copy(vm, source, () => true);
let code;
try { code = fs.readFileSync(options.script); } catch (error) { stop(2, `${options.script}: ${error.message}`); }
vm.FS.mkdirTree(path.dirname(options.script));
vm.FS.writeFile(options.script, code);
const start = `import sys
sys.path[1:1] = ${JSON.stringify(options.paths)}
sys.argv[:] = ${JSON.stringify(options.argv)}
__file__ = ${JSON.stringify(options.script)}
with open(__file__) as __source:
    __source = compile(__source.read(), __file__, 'exec')
exec(__source)
`;
let status = 0;
try {
    vm.runPython(start);
    const step = options.steps && vm.globals.get(options.steps);
    while (step && step());
} catch (error) {
    if (error.name !== "PythonError") { out.flush(); throw error; }
    if (error.type === "SystemExit") {
        const said = /SystemExit:? ?(.*)\s*$/.exec(error.message)?.[1] ?? "";
        status = said === "" || said === "None" ? 0 : /^\d+$/.test(said) ? Number(said) : 1;
    } else {
        status = 1;
        out.flush();
        fs.writeSync(2, error.message.endsWith("\n") ? error.message : `${error.message}\n`);
    }
}
out.flush();
process.exit(status);
