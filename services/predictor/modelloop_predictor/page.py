"""`/docs`: one page without any other file or network, showing how to ask this very model."""

from __future__ import annotations

import html
import json
from string import Template
from typing import Any, assert_never

from modelloop_core.feature_schema import BinaryOutput, CategoricalFeature, Feature, MulticlassOutput, RegressionOutput
from modelloop_predictor.readiness import State
from modelloop_predictor.version import LoadedVersion

_PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Model $version</title>
<style>
:root{color-scheme:light dark;--line:#8884}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
pre,textarea{font:14px/1.4 ui-monospace,monospace;width:100%;box-sizing:border-box;padding:.75rem;
border:1px solid var(--line);border-radius:.4rem;overflow:auto;background:transparent;color:inherit}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line)}
.scroll{overflow-x:auto}button{font:inherit;padding:.4rem 1rem}
</style></head><body>
<h1>Model $version</h1>
<p>$state</p>
$body
<h2>Pages</h2>
<ul><li><a href="model">model</a>: signature, card, metrics, lineage</li>
<li><a href="openapi.json">openapi.json</a>: this interface for machines</li>
<li><a href="readyz">readyz</a>, <a href="healthz">healthz</a>, <a href="metrics">metrics</a></li></ul>
<h2>Errors</h2>
<p>Errors are problem details (RFC 9457): <code>reason</code> is one word, <code>errors</code> names the fields of a
422. 503 comes with <code>Retry-After</code>; 504 means that the model did not answer in time.</p>
</body></html>
""")
_LOADED = Template("""<h2>Ask</h2>
<pre>curl -s -X POST -H 'content-type: application/json' -d '$curl' http://HOST:PORT/predict</pre>
<form id="ask"><label for="request">Request</label>
<textarea id="request" rows="12" spellcheck="false">$request</textarea>
<p><button>Predict</button></p></form>
<pre id="answer" aria-live="polite">The answer appears here.</pre>
<script>
document.getElementById("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = document.getElementById("answer");
  const body = document.getElementById("request").value;
  const response = await fetch("predict", {method: "POST", headers: {"content-type": "application/json"}, body});
  answer.textContent = response.status + "\\n" + JSON.stringify(await response.json(), null, 2);
});
</script>
<p>Give <code>features</code> by name or as a list in this order, or many rows as <code>instances</code>.
<code>request_id</code> and <code>$entity</code> are optional.</p>
<h2>Features</h2>
<div class="scroll"><table><thead><tr><th>Name</th><th>Kind</th><th>Allowed</th><th>Null</th></tr></thead>
<tbody>$features</tbody></table></div>
<h2>Answer</h2>
<p>$output</p>""")


def docs_page(served_name: str, version: LoadedVersion | None, state: State, entity_key: str) -> str:
    """The page as HTML; before a version is loaded it says why there is none."""
    body = "" if version is None else _loaded(version, entity_key)
    shown = html.escape(f"{state.reason}: {state.message}")
    return _PAGE.substitute(version=html.escape(served_name), state=shown, body=body)


def _loaded(version: LoadedVersion, entity_key: str) -> str:
    request: dict[str, Any] = {entity_key: "12345", "features": version.example}
    return _LOADED.substitute(
        curl=html.escape(json.dumps(request).replace("'", "'\\''")),
        request=html.escape(json.dumps(request, indent=2, ensure_ascii=False)),
        entity=html.escape(entity_key),
        features="".join(_row(feature) for feature in version.manifest.signature.inputs),
        output=html.escape(_output(version)),
    )


def _row(feature: Feature) -> str:
    if isinstance(feature, CategoricalFeature):
        levels = ", ".join(feature.levels[:20]) + (", ..." if len(feature.levels) > 20 else "")
        kind, allowed = "one of", levels + (", or any other" if feature.open else "")
    else:
        low = "" if feature.minimum is None else f"from {feature.minimum:g} "
        high = "" if feature.maximum is None else f"to {feature.maximum:g}"
        kind, allowed = feature.dtype, (low + high).strip() or "any"
    cells = (feature.name, kind, allowed, "yes" if feature.nullable else "no")
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"


def _output(version: LoadedVersion) -> str:
    output = version.manifest.signature.output
    match output:
        case BinaryOutput(threshold=threshold):
            return f"The probability of the positive class; from {threshold:g} on it counts as positive."
        case MulticlassOutput(classes=classes):
            return f"The likeliest label, and a probability for each of {', '.join(classes)}."
        case RegressionOutput(names=names):
            return f"A value for each of {', '.join(names)}, by name." if names else "A value."
        case _:
            assert_never(output)
