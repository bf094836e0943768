// Builds the page into one file: script and style inside, and a policy by which nothing else may load.
import { createHash } from "node:crypto";
import { defineConfig } from "vite";

const POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; connect-src 'self'; img-src data:";

const hashOf = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

// Functions as replacements, because "$&" in the code would mean something else.
function inline() {
    return {
        name: "inline",
        enforce: "post",
        generateBundle(_options, bundle) {
            const page = bundle["index.html"];
            const texts = { js: "", css: "" };
            for (const [name, file] of Object.entries(bundle)) {
                if (name === "index.html") continue;
                const kind = name.endsWith(".css") ? "css" : "js";
                texts[kind] += (file.type === "chunk" ? file.code : file.source).trim();
                delete bundle[name];
            }
            texts.js = texts.js.replaceAll("</script", "<\\/script");
            const policy = `${POLICY}; script-src ${hashOf(texts.js)}; style-src ${hashOf(texts.css)}`;
            page.source = page.source
                .replace(/\s*<script type="module"[^>]*><\/script>/, "")
                .replace(/\s*<link rel="stylesheet"[^>]*>/, "")
                .replace("<!--policy-->", () => `<meta http-equiv="Content-Security-Policy" content="${policy}">`)
                .replace("<!--style-->", () => `<style>${texts.css}</style>`)
                .replace("<!--script-->", () => `<script type="module">${texts.js}</script>`);
        },
    };
}

export default defineConfig({
    plugins: [inline()],
    build: {
        target: "es2022",
        outDir: "dist",
        modulePreload: false,
        cssCodeSplit: false,
        assetsInlineLimit: 0,
    },
});
