// Bundles the page and marks it with a digest of its sources, by which tests tell a stale bundle.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const folder = dirname(fileURLToPath(import.meta.url));
const source = join(folder, "src");
const digest = createHash("sha256");
for (const name of readdirSync(source).sort())
  digest
    .update(name)
    .update("\0")
    .update(readFileSync(join(source, name)))
    .update("\0");
const mark = `/* sources ${digest.digest("hex")} */`;

await build({
  entryPoints: { explorer: join(source, "main.ts"), style: join(source, "explorer.css") },
  outdir: join(folder, "..", "gatewise", "explorer", "static"),
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  banner: { js: mark, css: mark },
  entryNames: "explorer",
  logLevel: "warning",
});
