/** Of the page around a counter-example, by day and by night. */
export const PICTURE_STYLE = `
:root { color-scheme: light dark; --paper: #fff; --ink: #1d2430; --soft: #6a7486; --line: #dfe4ec;
  --known: #dbe9ff; --known-edge: #4a7fd6; --unknown: #eeeff2; --unknown-edge: #8b94a5;
  --blocked: #ffdcd9; --blocked-edge: #d0302a; --state: #f4f6fa; --dot: #1f5fc4; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14181f; --ink: #e4e8ef; --soft: #97a1b3; --line: #2c3442;
    --known: #1c3358; --known-edge: #6c9ff0; --unknown: #272c36; --unknown-edge: #8b94a5;
    --blocked: #54201e; --blocked-edge: #ff6f66; --state: #1c222c; --dot: #3f7fe0; } }
body { margin: 2rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin-top: 2.5rem; }
code, pre, svg text { font-family: ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; }
code { background: var(--state); border-radius: 3px; padding: 0 .3em; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; }
pre { overflow-x: auto; background: var(--state); padding: 1rem; border-radius: 8px; font-size: 12px; }
summary { cursor: pointer; color: var(--soft); }
svg { display: block; } svg text { font-size: 12px; fill: var(--ink); }
svg .client { fill: var(--soft); } .lane { stroke: var(--line); }
.known rect { fill: var(--known); stroke: var(--known-edge); }
.unknown rect { fill: var(--unknown); stroke: var(--unknown-edge); stroke-dasharray: 5 4; }
.blocked rect { fill: var(--blocked); stroke: var(--blocked-edge); stroke-width: 2; }
.blocked text { font-weight: 600; }
.drop { stroke: var(--dot); stroke-dasharray: 2 3; }
.effect circle { fill: var(--dot); } .effect text { fill: #fff; font-size: 10px; text-anchor: middle; }
.state rect { fill: var(--state); stroke: var(--line); }
.meanwhile { fill: var(--blocked-edge); fill-opacity: .12; stroke: var(--blocked-edge); stroke-width: 1.5; stroke-dasharray: 4 3; }
.legend { color: var(--soft); font-size: 13px; }
.legend i { display: inline-block; vertical-align: middle; margin: 0 .3em 0 1.2em; }
.legend .dot { width: 12px; height: 12px; border-radius: 6px; background: var(--dot); margin-left: 0; }
.legend .bar { width: 22px; height: 12px; border-radius: 3px; }
.legend .unknown { background: var(--unknown); border: 1px dashed var(--unknown-edge); }
.legend .blocked { background: var(--blocked); border: 2px solid var(--blocked-edge); }
`;
