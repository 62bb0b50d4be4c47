// Run compute.py in Pyodide with its NumPy: node compute.mjs FOLDER_OF_PYODIDE CHECKOUT [LESSON ...]
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [pyodide, checkout, ...lessons] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${pyodide}/pyodide.mjs`));
const python = await loadPyodide({ packageBaseUrl: `${pyodide}/` });
await python.loadPackage(["numpy", "matplotlib", "threadpoolctl"], { messageCallback: () => {} });
python.mountNodeFS("/checkout", checkout);
const inside = lessons.map((name) => `/checkout/lessons/${name}`);
const program = "/checkout/tests/support/wasm/compute.py";
python.globals.set("arguments", python.toPy([program, ...inside]));
python.runPython(`
import runpy, sys
sys.argv = list(arguments)
runpy.run_path(sys.argv[0], run_name="__main__")
`);
