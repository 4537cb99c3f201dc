// Usage: node compile.js SOLC_MODULE_DIR SOURCE... > artifacts.json   (npm install solc@0.8.37 puts solc there)
const fs = require("fs"), path = require("path"), crypto = require("crypto");
const [, , solcDir, ...files] = process.argv;
const solc = require(path.resolve(solcDir));
const settings = {
  optimizer: { enabled: true, runs: 200 },
  evmVersion: "paris",
  metadata: { bytecodeHash: "none", appendCBOR: false },
};
const sources = {};
for (const file of files) sources[path.basename(file)] = { content: fs.readFileSync(file, "utf8") };
const output = JSON.parse(solc.compile(JSON.stringify({
  language: "Solidity",
  sources,
  settings: { ...settings, outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } } },
})));
const problems = (output.errors || []).filter((e) => e.severity === "error");
if (problems.length) { problems.forEach((e) => console.error(e.formattedMessage)); process.exit(1); }
(output.errors || []).forEach((e) => console.error(e.formattedMessage));
const contracts = {};
for (const file of Object.keys(sources)) for (const [name, made] of Object.entries(output.contracts[file])) contracts[name] = {
  source: file,
  source_sha256: crypto.createHash("sha256").update(sources[file].content).digest("hex"),
  abi: made.abi,
  bytecode: "0x" + made.evm.bytecode.object,
  runtime: "0x" + made.evm.deployedBytecode.object,
};
console.log(JSON.stringify({ compiler: solc.version(), settings, contracts }, null, 1));
