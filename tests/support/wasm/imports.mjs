// Run imports.py in Pyodide: node imports.mjs FOLDER_OF_PYODIDE CHECKOUT
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [pyodide, checkout] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${pyodide}/pyodide.mjs`));
const python = await loadPyodide();
python.mountNodeFS("/checkout", checkout);
python.runPython("import sys; sys.path.insert(0, '/checkout')");
python.runPython(readFileSync(new URL("imports.py", import.meta.url), "utf8"));
